import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import stt
from stt.audio.features import FrontEnd, LogMel
from stt.errors import InputError
from stt.inference.check import compare, samples_of
from stt.inference.exported import compute_waveforms, open_session
from stt.inference.graph import whole_frames, with_products, write_waveform_graph
from stt.inference.graph_features import GraphLogMel
from stt.models import ConvTransformer, DeepSpeech2, Encoder, Wav2Letter
from stt.recognition.recognizer import Recognizer
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from tests.conftest import RATE


@stt.register
class OneConvolution(Encoder):
    """An encoder of a user."""

    def __init__(self, n_mels: int = 32) -> None:
        super().__init__()
        self.d_model = 8
        self.conv = nn.Conv1d(n_mels, 8, 5, padding=2)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return self.conv(x.transpose(1, 2)).transpose(1, 2), lengths


@stt.register
class DecidesInPython(OneConvolution):
    """An encoder whose result depends on what Python sees of a length."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        y, lengths = super().forward(x, lengths)
        return y * float(lengths.max()), lengths


@stt.register
class NotInOnnx(OneConvolution):
    """An encoder with an operation that ONNX lacks."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return torch.linalg.matrix_exp(x @ x.transpose(1, 2))[:, :, :8], lengths


@stt.register
class Loudness(FrontEnd):
    """A front end of a user: the mean power of 10 ms, in a single band."""

    def __init__(self) -> None:
        super().__init__()
        self.sample_rate, self.n_mels = RATE, 1

    def output_lengths(self, samples: Tensor) -> Tensor:
        return torch.div(samples, 80, rounding_mode="floor").clamp(min=1)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        power = torch.nn.functional.avg_pool1d(waveforms.square().unsqueeze(1), 80)
        return power.transpose(1, 2), self.output_lengths(lengths)


def build(features: FrontEnd, encoder: Encoder, tokenizer_file: Path) -> Recognizer:
    torch.manual_seed(0)
    return Recognizer(features, encoder, Tokenizer.load(tokenizer_file), get_normalizer("plain-1")).eval()


def largest_difference(recognizer: Recognizer, graph_of: Recognizer, path: Path) -> float:
    write_waveform_graph(graph_of, path)
    session = open_session(path, threads=1)
    hop = recognizer.frame_samples
    figures = compare(
        recognizer.compute,
        lambda *x: compute_waveforms(session, path, hop, *x),
        recognizer,
        samples_of(recognizer, None),
    )
    return float(figures["max_difference"])


@pytest.mark.parametrize("normalization", ["window", "utterance", "none"])
def test_features_in_the_graph_are_those_of_the_checkpoint(normalization: str) -> None:
    original = LogMel(RATE, 32, normalization=normalization)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for samples in (80, 81, 799, 20_000, 24_040, 100_001):
        waveforms = torch.from_numpy(rng.uniform(-0.3, 0.3, (2, samples)).astype(np.float32))
        lengths = torch.tensor([samples, samples // 2])
        waveforms[1, samples // 2 :] = 0
        expected, frames = original(waveforms, lengths)
        features, graph_frames = GraphLogMel(original)(waveforms, lengths)
        assert frames.tolist() == graph_frames.tolist()
        size = expected.shape[1]
        assert features.shape[1] - size in (0, 1)
        torch.testing.assert_close(features[:, :size], expected, atol=2e-4, rtol=1e-4)
        assert not features[:, size:].any()


@pytest.mark.parametrize(
    "encoder",
    [
        ConvTransformer(32, (16, 16, 16), (1, 2, 1), (5, 5, 5), 16, 1, 2),
        DeepSpeech2(32, (4, 4), 16, 2),
        Wav2Letter(32, (16, 16), (5, 1), (2, 1)),
        OneConvolution(32),
    ],
    ids=lambda encoder: type(encoder).__name__,
)
def test_every_encoder_computes_the_same_at_every_length(
    encoder: Encoder, tokenizer_file: Path, tmp_path: Path
) -> None:
    recognizer = build(LogMel(RATE, 32), encoder, tokenizer_file)
    assert largest_difference(recognizer, recognizer, tmp_path / "a.onnx") < 1e-3


def test_a_front_end_of_ones_own_is_exported(tokenizer_file: Path, tmp_path: Path) -> None:
    recognizer = build(Loudness(), OneConvolution(1), tokenizer_file)
    assert largest_difference(recognizer, recognizer, tmp_path / "a.onnx") < 1e-4


def test_a_decision_that_the_graph_cannot_make_is_noticed(tokenizer_file: Path, tmp_path: Path) -> None:
    recognizer = build(LogMel(RATE, 32), DecidesInPython(32), tokenizer_file)
    assert largest_difference(recognizer, recognizer, tmp_path / "a.onnx") > 1


def test_an_encoder_that_onnx_cannot_express_is_one_sentence(tokenizer_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NotInOnnx and its front end cannot be written as an ONNX graph") as raised:
        write_waveform_graph(build(LogMel(RATE, 32), NotInOnnx(32), tokenizer_file), tmp_path / "a.onnx")
    assert "\n" not in str(raised.value)


def test_pointwise_convolutions_as_products_change_nothing(tokenizer_file: Path) -> None:
    encoder = ConvTransformer(32, (16, 16, 16), (1, 2, 1), (5, 5, 5), 16, 1, 2)
    recognizer = build(LogMel(RATE, 32), encoder, tokenizer_file)
    weights = copy.deepcopy(recognizer.state_dict())
    waveforms, lengths = torch.randn(2, 9_000), torch.tensor([9_000, 5_000])
    with torch.inference_mode():
        expected, products = recognizer(waveforms, lengths)[0], with_products(recognizer)
        assert sum(type(part).__name__ == "PointwiseProduct" for part in products.modules()) == 7
        torch.testing.assert_close(products(waveforms, lengths)[0], expected, atol=1e-5, rtol=1e-5)
    assert all(torch.equal(value, weights[name]) for name, value in recognizer.state_dict().items())


@settings(deadline=None)
@given(st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=3, max_size=12))
def test_greedy_decoding_of_whole_frames_loses_no_token_where_one_frame_can_be_left_out(tokens: list[int]) -> None:
    def decoded(frames: list[int]) -> list[int]:
        return [token for token, previous in zip(frames, [0, *frames], strict=False) if token not in (0, previous)]

    log_probs = torch.nn.functional.one_hot(torch.tensor([tokens, tokens]), 3).float().log_softmax(dim=-1)
    count = len(tokens)
    kept, frames = whole_frames(log_probs, torch.tensor([count, count]), torch.tensor([count - 1, count]), 0)
    assert frames.tolist() == [count - 1, count]
    assert kept[1].argmax(dim=-1).tolist() == tokens
    without = [tokens[:i] + tokens[i + 1 :] for i in range(count)]
    if any(decoded(one) == decoded(tokens) for one in without):
        assert decoded(kept[0, : count - 1].argmax(dim=-1).tolist()) == decoded(tokens)
