from pathlib import Path

import pytest
import torch
import yaml
from ablation import read_variants

import stt.models
from stt.cli.train import main
from stt.models import ConvTransformer, DeepSpeech2, Encoder, Wav2Letter
from stt.models.deep_speech import BidirectionalGRU

ROOT = Path(__file__).parents[2]
CONFIGS = list(dict.fromkeys(ROOT / one.config for one in read_variants()))


def encoder(**options: object) -> ConvTransformer:
    torch.manual_seed(0)
    sizes = {"conv_channels": (16, 24, 32), "conv_blocks": (1, 2, 1), "conv_kernel_sizes": (5, 7, 9)}
    return ConvTransformer(**{"n_mels": 20, "d_model": 32, "num_layers": 2, "num_heads": 2, **sizes, **options})


def build_from(config: Path) -> Encoder:
    torch.manual_seed(0)
    entry = yaml.safe_load(config.read_text())["model"]["encoder"]
    kind = getattr(stt.models, entry["class_path"].removeprefix("stt.models."))
    model: Encoder = kind(n_mels=80, **entry.get("init_args", {}))
    return model


def parameters(config: Path) -> int:
    return sum(parameter.numel() for parameter in build_from(config).parameters())


def with_running_statistics(model: Encoder, n_mels: int) -> Encoder:
    """Update the running statistics of the norms away from their initial values, then switch to evaluation mode."""
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(4, 60, n_mels), torch.tensor([60, 50, 40, 9]))
    return model.eval()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_batching_does_not_change_the_output_of_an_utterance(config: Path) -> None:
    model = with_running_statistics(build_from(config), 80)
    lengths = torch.tensor([37, 60, 1, 8])
    x = torch.randn(4, 60, 80)
    for i, length in enumerate(lengths):
        x[i, length:] = 1e3  # the content of the padding must not matter
    with torch.no_grad():
        batched, frames = model(x, lengths)
        for i, length in enumerate(lengths):
            alone, alone_frames = model(x[i : i + 1, :length], lengths[i : i + 1])
            assert frames[i] == alone_frames[0]
            torch.testing.assert_close(batched[i, : frames[i]], alone[0], atol=1e-5, rtol=1e-5)


def test_padding_receives_no_gradient() -> None:
    model = with_running_statistics(encoder(), 20)
    x = torch.randn(2, 64, 20, requires_grad=True)
    y, frames = model(x, torch.tensor([64, 21]))
    y[1, : frames[1]].sum().backward()
    assert x.grad is not None
    assert x.grad[1, :21].abs().sum() > 0
    assert x.grad[1, 21:].abs().max() == 0


SMALL_NETWORKS = {
    "conv_transformer": (encoder(), 8),
    "convolutions_only": (encoder(num_layers=0), 8),
    "deep_speech_2": (DeepSpeech2(20, (4, 4, 6), cells=8, recurrent_layers=2), 2),
    "wav2letter": (Wav2Letter(20, (8, 8, 12), (47, 7, 1), (2, 1, 1)), 2),
    "wav2letter_stride_8": (Wav2Letter(20, (8, 8, 12), (47, 7, 31), (2, 2, 2)), 8),
}


@pytest.mark.parametrize("network", SMALL_NETWORKS)
def test_output_lengths_are_correct_for_1_to_400_frames(network: str) -> None:
    model, stride = SMALL_NETWORKS[network]
    model = model.eval()
    lengths = torch.arange(1, 401)
    expected = (lengths + stride - 1) // stride
    with torch.no_grad():
        _, frames = model(torch.zeros(400, 400, 20), lengths)
        assert frames.tolist() == model.output_lengths(lengths).tolist() == expected.tolist()
        for length in range(1, 401, 13):
            alone, _ = model(torch.zeros(1, length, 20), torch.tensor([length]))
            assert alone.shape[1] == expected[length - 1]


def test_the_bidirectional_gru_matches_torch_on_packed_sequences() -> None:
    torch.manual_seed(0)
    layer = BidirectionalGRU(6, 5)
    reference = torch.nn.GRU(6, 5, batch_first=True, bidirectional=True)
    weights = {**layer.forwards.state_dict()}
    weights |= {f"{name}_reverse": value for name, value in layer.backwards.state_dict().items()}
    reference.load_state_dict(weights)
    x, lengths = torch.randn(4, 9, 6), torch.tensor([9, 1, 5, 8])
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    unpacked, _ = torch.nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(layer(x, lengths)[i, :length], unpacked[i, :length].view(length, 2, 5).sum(1))


def test_training_statistics_do_not_depend_on_the_padding() -> None:
    x = torch.randn(2, 40, 20)
    short, padded = encoder(dropout=0.0).train(), encoder(dropout=0.0).train()
    first, frames = short(x, torch.tensor([40, 24]))
    second, _ = padded(torch.nn.functional.pad(x, (0, 0, 0, 160)), torch.tensor([40, 24]))
    for i in range(2):
        torch.testing.assert_close(first[i, : frames[i]], second[i, : frames[i]], atol=1e-4, rtol=1e-4)


def test_position_embeddings_are_relative() -> None:
    model = encoder().eval()
    with torch.no_grad():
        x = torch.randn(1, 30, 32)
        shifted = torch.cat([x, x], dim=1)
        alone = model.transformer(x, torch.tensor([30]))[0]
        # With attention to the first half hidden, the second half must be encoded as it is alone.
        layer = model.transformer.layers[0]
        from stt.models.layers import rotary_angles

        keys = torch.ones(1, 1, 60, 60, dtype=torch.bool)
        keys[..., 30:, :30] = False
        angles = rotary_angles(60, model.transformer.head_size, x.device)
        late = layer(shifted, keys, angles)[:, 30:]
        early = layer(x, torch.ones(1, 1, 30, 30, dtype=torch.bool), angles[:, :30])
    torch.testing.assert_close(late, early, atol=1e-5, rtol=1e-5)
    assert alone.shape == x.shape


@pytest.mark.parametrize(
    ("config", "lower", "upper"), [("tiny", 1e6, 3e6), ("small", 25e6, 35e6), ("large", 60e6, 70e6)]
)
def test_model_sizes_match_the_article(config: str, lower: float, upper: float) -> None:
    assert lower < parameters(ROOT / "configs" / "model" / f"{config}.yaml") < upper


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_command_line_builds_the_network_in_the_configuration(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Arguments shared with the default encoder would keep its values unless the configuration sets them all.
    with pytest.raises(SystemExit):
        main(["fit", f"--config={config}", "--print_config"])
    built = yaml.safe_load(capsys.readouterr().out)["model"]["encoder"]
    kind = getattr(stt.models, built["class_path"].removeprefix("stt.models."))
    options = {name: value for name, value in built["init_args"].items() if name != "n_mels"}
    with torch.device("meta"):
        assert sum(p.numel() for p in kind(n_mels=80, **options).parameters()) == parameters(config)


def test_the_compact_network_is_five_times_smaller_than_the_largest_baseline() -> None:
    baselines = [parameters(ROOT / one.config) for one in read_variants() if "ablation" in one.config]
    assert 5 * parameters(ROOT / "configs" / "model" / "small.yaml") <= max(baselines)
