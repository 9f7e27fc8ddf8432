"""Networks of other packages at their published sizes, with newly initialized weights, for `peers.py`.

Sizes are those of the packages' own recipes (NeMo: examples/asr/conf; SpeechBrain: recipes/LibriSpeech; Radford et
al., 2022, table 1; Baevski et al., 2020; Collobert et al., 2016). All receive what their encoder receives: features,
or the waveform where the network has no other front end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import ROOT
from torch import Tensor, nn

from stt.inference.graph import with_products
from stt.inference.untrained import build_untrained
from stt.recognition.recognizer import Recognizer
from stt.text.tokenizer import Tokenizer, train_tokenizer

SECONDS = 15
FRAMES = 100 * SECONDS  # of features
SAMPLES = 16_000 * SECONDS
PIECES = 1024  # output classes of the networks with subwords
LETTERS = 28  # output classes of the others
ENGLISH = "etaoinshrdlcumwfgypbvkjxqz"


@dataclass(frozen=True)
class Network:
    """A network in evaluation mode, an input of 15 seconds, and how its package exports it."""

    module: nn.Module
    inputs: tuple[Tensor, ...]
    export: Callable[[Path], None]
    export_for_int8: Callable[[Path], None] | None = None  # None: the same


@dataclass(frozen=True)
class Peer:
    """A network to measure."""

    name: str
    package: str
    build: Callable[[], Network]
    note: str = ""


class Outputs(nn.Module):
    """Calls a function that belongs to a module, and returns the first of its results."""

    def __init__(self, module: nn.Module, call: Callable[..., Any]) -> None:
        """Keep both."""
        super().__init__()
        self.module = module
        self.call = call

    def forward(self, *inputs: Tensor) -> Tensor:
        """Compute the output."""
        result = self.call(*inputs)
        output: Tensor = result[0] if isinstance(result, tuple) else result
        return output


def with_torch_export(module: nn.Module, inputs: tuple[Tensor, ...], time_axis: int | None) -> Network:
    """Let a network be exported by torch.onnx, for first inputs of any length along an axis (None: of this length)."""
    module.eval()

    def export(path: Path) -> None:
        names = [f"input{i}" for i in range(len(inputs))]
        axes = {} if time_axis is None else {names[0]: {time_axis: "time"}}
        torch.onnx.export(
            module, inputs, str(path), input_names=names, dynamic_axes=axes, opset_version=17, dynamo=False
        )

    return Network(module, inputs, export)


def features(n_mels: int, frames: int = FRAMES) -> Tensor:
    """Return random features (1, mel, frame)."""
    return torch.randn(1, n_mels, frames, generator=torch.Generator().manual_seed(0))


def waveform() -> Tensor:
    """Return a random waveform (1, sample)."""
    return 0.1 * features(1, SAMPLES)[0]


# This project


def this_project(size: str) -> Network:
    """Build a network of configs/model/."""
    recognizer = build_untrained(ROOT / "configs" / "model" / f"{size}.yaml", tokenizer())
    network = with_torch_export(*log_probs_of(recognizer), time_axis=1)
    products = with_torch_export(*log_probs_of(with_products(recognizer)), time_axis=1)  # as `stt export` does
    return replace(network, export_for_int8=products.export)


def log_probs_of(recognizer: Recognizer) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return the part of a recognizer from features to log_probs, and an input."""
    x = features(recognizer.features.n_mels).transpose(1, 2).contiguous()
    return Outputs(recognizer, recognizer.log_probs), (x, torch.tensor([FRAMES]))


def tokenizer() -> Tokenizer:
    """Train a tokenizer of random words, for its size alone."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(2, 9, (20_000,), generator=generator).tolist()
    letters = iter(torch.randint(0, len(ENGLISH), (sum(lengths),), generator=generator).tolist())
    words = ["".join(ENGLISH[next(letters)] for _ in range(length)) for length in lengths]
    return train_tokenizer([" ".join(words[i : i + 10]) for i in range(0, len(words), 10)], PIECES)


# NeMo


def quartznet_blocks() -> list[dict[str, Any]]:
    """Return the blocks of QuartzNet 15x5."""
    groups = [(256, 33), (256, 39), (512, 51), (512, 63), (512, 75)]
    repeated = [_block(width, kernel, repeat=5, residual=True) for width, kernel in groups for _ in range(3)]
    last = [_block(512, 87, dilation=2), _block(1024, 1, separable=False)]
    return [_block(256, 33, stride=2), *repeated, *last]


def citrinet_blocks(width: int = 512) -> list[dict[str, Any]]:
    """Return the blocks of Citrinet: 23, stride 8, squeeze-and-excitation in all."""
    excitation: dict[str, Any] = {"se": True, "se_context_size": -1}
    kernels = [(11, 13, 15, 17, 19, 21), (13, 15, 17, 19, 21, 23, 25), (25, 27, 29, 31, 33, 35, 37, 39)]
    blocks = [_block(width, 5, **excitation)]
    for stage in kernels:
        for i, kernel in enumerate(stage):
            first: dict[str, Any] = {"stride": 2, "stride_last": True, "residual_mode": "stride_add"} if i == 0 else {}
            blocks.append(_block(width, kernel, repeat=5, residual=True, **first, **excitation))
    return [*blocks, _block(640, 41, **excitation)]


def _block(filters: int, kernel: int, stride: int = 1, dilation: int = 1, **options: Any) -> dict[str, Any]:
    sizes = {"filters": filters, "kernel": [kernel], "stride": [stride], "dilation": [dilation]}
    return {**sizes, "repeat": 1, "dropout": 0.0, "residual": False, "separable": True, **options}


def nemo_convolutions(blocks: list[dict[str, Any]], n_mels: int, classes: int) -> Network:
    """Build a convolutional network of NeMo."""
    encoder = {"_target_": "ConvASREncoder", "feat_in": n_mels, "activation": "relu", "conv_mask": True}
    return nemo({**encoder, "jasper": blocks}, n_mels, blocks[-1]["filters"], classes)


def nemo_conformer(d_model: int, heads: int, layers: int, fast: bool) -> Network:
    """Build a Conformer of NeMo, or a FastConformer: stride 8, short kernels."""
    usual: dict[str, Any] = {"subsampling": "striding", "subsampling_factor": 4, "conv_kernel_size": 31}
    fast_ones = {"subsampling": "dw_striding", "subsampling_factor": 8, "conv_kernel_size": 9}
    if fast:
        usual = {**fast_ones, "subsampling_conv_channels": 256}
    sizes = {"feat_in": 80, "d_model": d_model, "n_heads": heads, "n_layers": layers}
    return nemo({"_target_": "ConformerEncoder", **sizes, **usual}, 80, d_model, PIECES)


def nemo(encoder: dict[str, Any], n_mels: int, width: int, classes: int) -> Network:
    """Build a CTC model of NeMo."""
    from nemo.collections.asr.models import EncDecCTCModel
    from omegaconf import OmegaConf

    modules = "nemo.collections.asr.modules"
    vocabulary = [f"<{i}>" for i in range(classes)]
    decoder = {"feat_in": width, "num_classes": classes, "vocabulary": vocabulary}
    config = {
        "sample_rate": 16_000,
        "labels": vocabulary,
        "preprocessor": {"_target_": f"{modules}.AudioToMelSpectrogramPreprocessor", "features": n_mels},
        "encoder": {**encoder, "_target_": f"{modules}.{encoder['_target_']}"},
        "decoder": {"_target_": f"{modules}.ConvASRDecoder", **decoder},
    }
    model = EncDecCTCModel(cfg=OmegaConf.create(config)).eval()

    def call(x: Tensor, lengths: Tensor) -> Any:
        return model(processed_signal=x, processed_signal_length=lengths)

    def export(path: Path) -> None:
        model.export(str(path), input_example=(features(n_mels), torch.tensor([FRAMES])))

    return Network(Outputs(model, call).eval(), (features(n_mels), torch.tensor([FRAMES])), export)


# torchaudio, transformers, SpeechBrain


def wav2letter() -> Network:
    """Build torchaudio's Wav2Letter on 13 MFCCs."""
    from torchaudio.models import Wav2Letter

    return with_torch_export(Wav2Letter(LETTERS, input_type="mfcc", num_features=13), (features(13),), time_axis=2)


def wav2vec2_base() -> Network:
    """Build torchaudio's wav2vec 2.0, base."""
    from torchaudio.models import wav2vec2_base as build

    model = build(aux_num_out=LETTERS)
    return with_torch_export(Outputs(model, model.forward), (waveform(),), time_axis=1)


def whisper_tiny_encoder() -> Network:
    """Build the encoder of transformers' Whisper tiny, which always computes 30 seconds."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    heads = {"encoder_layers": 4, "encoder_attention_heads": 6}
    model = WhisperEncoder(WhisperConfig(d_model=384, encoder_ffn_dim=1536, num_mel_bins=80, **heads))

    def call(x: Tensor) -> Tensor:
        y: Tensor = model(x, return_dict=False)[0]
        return y

    return with_torch_export(Outputs(model, call), (features(80, 3000),), time_axis=None)


def speechbrain_conformer() -> Network:
    """Build the encoder of SpeechBrain's small Conformer (LibriSpeech) with a CTC head."""
    from speechbrain.lobes.models.convolution import ConvolutionFrontEnd
    from speechbrain.lobes.models.transformer.TransformerASR import EncoderWrapper, TransformerASR

    front = {"num_blocks": 2, "num_layers_per_block": 1, "out_channels": (64, 32), "kernel_sizes": (3, 3)}
    convolutions = ConvolutionFrontEnd((8, 10, 80), **front, strides=(2, 2), residuals=(False, False))
    transformer = TransformerASR(
        tgt_vocab=5000,
        input_size=640,
        d_model=144,
        nhead=4,
        num_encoder_layers=12,
        num_decoder_layers=0,
        d_ffn=1024,
        activation=nn.GELU,
        encoder_module="conformer",
        attention_type="RelPosMHAXL",
        normalize_before=True,
        causal=False,
    )
    transformer.custom_tgt_module = nn.Identity()  # an embedding of the decoder, which CTC does not need
    encoder, head = EncoderWrapper(transformer), nn.Linear(144, 5000)
    lengths = torch.ones(1)  # relative

    def call(x: Tensor) -> Tensor:
        return torch.log_softmax(head(encoder(convolutions(x), lengths)), dim=-1)

    parts = nn.ModuleList([convolutions, encoder, head])
    return with_torch_export(Outputs(parts, call), (features(80).transpose(1, 2).contiguous(),), time_axis=1)


PEERS = [
    *(Peer(size, "stt", partial(this_project, size)) for size in ("tiny", "small")),
    Peer("QuartzNet 15x5", "nemo", lambda: nemo_convolutions(quartznet_blocks(), 64, LETTERS)),
    Peer("Citrinet-512", "nemo", lambda: nemo_convolutions(citrinet_blocks(), 80, PIECES)),
    Peer("Conformer-CTC small", "nemo", partial(nemo_conformer, 176, 4, 16, fast=False)),
    Peer("FastConformer-CTC small", "nemo", partial(nemo_conformer, 176, 4, 16, fast=True)),
    Peer("FastConformer-CTC medium", "nemo", partial(nemo_conformer, 256, 4, 16, fast=True)),
    Peer("FastConformer-CTC large", "nemo", partial(nemo_conformer, 512, 8, 17, fast=True)),
    Peer("Wav2Letter", "torchaudio", wav2letter),
    Peer("wav2vec 2.0 base", "torchaudio", wav2vec2_base),
    Peer(
        "Whisper tiny, encoder",
        "transformers",
        whisper_tiny_encoder,
        "it pads every clip to 30 s; its decoder, without which there is no text, is not part of the time",
    ),
    Peer("Conformer small, encoder and CTC head", "speechbrain", speechbrain_conformer),
]
