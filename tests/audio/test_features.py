import kaldi_native_fbank
import numpy as np
import pytest
import torch

from stt.audio.features import LogMel, mirror_ends, normalize_windows

RATES = [(8_000, 64), (16_000, 80)]


def sherpa_onnx_features(waveform: torch.Tensor, sample_rate: int, n_mels: int) -> np.ndarray:
    """Return what sherpa-onnx computes for NeMo models, before normalization: (frame, mel)."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.frame_opts.samp_freq = sample_rate
    options.frame_opts.remove_dc_offset = False
    options.frame_opts.window_type = "hann"
    options.mel_opts.num_bins = n_mels
    options.mel_opts.low_freq = 0
    options.mel_opts.high_freq = 0
    options.mel_opts.is_librosa = True
    features = kaldi_native_fbank.OnlineFbank(options)
    features.accept_waveform(sample_rate, waveform.tolist())
    features.input_finished()
    return np.stack([features.get_frame(i) for i in range(features.num_frames_ready)])


@pytest.mark.parametrize(("sample_rate", "n_mels"), RATES)
def test_features_match_sherpa_onnx_for_every_utterance_of_a_batch(sample_rate: int, n_mels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    waveforms = [0.1 * torch.randn(n, generator=generator) for n in (16_001, 100, 799, 4_000, 16_240)]
    waveforms.append(torch.zeros(2_000))
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    front_end = LogMel(sample_rate, n_mels)
    batch = front_end.log_mel(torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True), lengths)
    frames = front_end.output_lengths(lengths)
    for features, count, waveform in zip(batch, frames, waveforms, strict=True):
        expected = sherpa_onnx_features(waveform, sample_rate, n_mels)
        assert len(expected) == count
        np.testing.assert_allclose(features[:count], expected, atol=5e-4)


def test_a_tone_peaks_in_its_mel_band() -> None:
    front_end = LogMel(sample_rate=16_000, n_mels=64)
    centers = (front_end.bands * torch.linspace(0, 8000, front_end.n_fft // 2 + 1).unsqueeze(1)).sum(0)
    centers = centers / front_end.bands.sum(0)
    for hertz in (300.0, 1000.0, 4000.0):
        tone = torch.sin(2 * torch.pi * hertz * torch.arange(16_000) / 16_000)
        levels = front_end.log_mel(tone.unsqueeze(0), torch.tensor([16_000]))[0, 10:40].mean(0)
        assert abs(float(centers[levels.argmax()]) - hertz) < 0.06 * hertz + 40


@pytest.mark.parametrize("sample_rate", [8_000, 16_000])
def test_output_lengths_match_the_features_for_any_number_of_samples(sample_rate: int) -> None:
    front_end = LogMel(sample_rate=sample_rate)
    for samples in (1, 39, 40, 79, 80, 81, 159, 160, 161, 239, 240, 1000, 16_001):
        features, frames = front_end(torch.zeros(1, samples), torch.tensor([samples]))
        assert features.shape[1] == frames.item()


def test_each_utterance_is_mirrored_at_its_own_end() -> None:
    waveforms = torch.tensor([[1.0, 2, 3, 4, 5], [1, 2, 0, 0, 0], [7, 0, 0, 0, 0]])
    mirrored = mirror_ends(waveforms, torch.tensor([5, 2, 1]), 2, 3)
    assert mirrored[0].tolist() == [2, 1, 1, 2, 3, 4, 5, 5, 4, 3]
    assert mirrored[1, :7].tolist() == [2, 1, 1, 2, 2, 1, 1], "a short utterance is mirrored repeatedly"
    assert mirrored[2, :6].tolist() == [7] * 6


NORMALIZATIONS = ["utterance", "window", "none"]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_padding_does_not_change_the_features_of_a_short_utterance(normalization: str) -> None:
    front_end = LogMel(normalization=normalization)
    short, long = torch.randn(5000), torch.randn(80_000)
    alone, frames = front_end(short.unsqueeze(0), torch.tensor([5000]))
    batch = torch.nn.utils.rnn.pad_sequence([short, long], batch_first=True)
    padded, lengths = front_end(batch, torch.tensor([5000, 80_000]))
    torch.testing.assert_close(padded[0, : frames[0]], alone[0], atol=1e-5, rtol=0)
    assert (padded[0, lengths[0] :] == 0).all()


@pytest.mark.parametrize("normalization", ["utterance", "window"])
def test_each_band_of_a_short_utterance_has_zero_mean_and_unit_deviation(normalization: str) -> None:
    features, _ = LogMel(normalization=normalization)(torch.randn(1, 16_000), torch.tensor([16_000]))
    assert features.mean(1).abs().max() < 1e-4
    torch.testing.assert_close(features.std(1, correction=0), torch.ones(1, 64), atol=0.05, rtol=0)


@pytest.mark.parametrize("normalization", ["utterance", "window"])
def test_features_do_not_depend_on_loudness(normalization: str) -> None:
    front_end, waveform = LogMel(normalization=normalization), torch.randn(1, 80_000)
    loud, _ = front_end(waveform, torch.tensor([80_000]))
    soft, _ = front_end(0.1 * waveform, torch.tensor([80_000]))
    assert (loud - soft).abs().max() < 0.05


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_digital_silence_gives_no_nan(normalization: str) -> None:
    features, _ = LogMel(normalization=normalization)(torch.zeros(1, 80_000), torch.tensor([80_000]))
    assert features.isfinite().all()
    assert normalization == "none" or features.abs().max() < 1e-3


def test_window_normalization_is_independent_of_distant_audio() -> None:
    front_end = LogMel(normalization="window")
    quiet, loud = 0.001 * torch.randn(6 * 16_000), torch.randn(6 * 16_000).cumsum(0).sin()
    alone, _ = front_end(loud.unsqueeze(0), torch.tensor([len(loud)]))
    joined, _ = front_end(torch.cat([quiet, loud]).unsqueeze(0), torch.tensor([len(quiet) + len(loud)]))
    torch.testing.assert_close(joined[0, 600 + 160 : 1150], alone[0, 160:550], atol=1e-3, rtol=0)


def test_window_normalization_matches_a_plain_loop() -> None:
    features = torch.randn(1, 50, 3) * 4 - 9
    normalized = normalize_windows(features, torch.tensor([47]), 20)
    for frame in range(47):
        start = min(max(0, frame - 10), 27)
        window = features[0, start : start + 20]
        expected = (features[0, frame] - window.mean(0)) / (window.std(0, correction=0) + 1e-2)
        torch.testing.assert_close(normalized[0, frame], expected, atol=1e-4, rtol=1e-4)
