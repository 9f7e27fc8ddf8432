import pytest
import torch

from stt.audio.features import LogMel


def test_a_tone_peaks_in_its_mel_band() -> None:
    front_end = LogMel(sample_rate=16_000, n_mels=64)
    centres = (front_end.bands * torch.linspace(0, 8000, front_end.n_fft // 2 + 1).unsqueeze(1)).sum(0)
    centres = centres / front_end.bands.sum(0)
    noise = 0.001 * torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    for hertz in (300.0, 1000.0, 4000.0):
        tone = torch.sin(2 * torch.pi * hertz * torch.arange(16_000) / 16_000)
        # Half of the signal is the tone, so that normalization over time leaves it visible.
        waveform = torch.where(torch.arange(16_000) < 8_000, tone, 0.0) + noise
        features, _ = front_end(waveform.unsqueeze(0), torch.tensor([16_000]))
        contrast = features[0, 10:40].mean(0) - features[0, 60:90].mean(0)
        energies = front_end.energies(waveform.unsqueeze(0))[0, 10:40].mean(0)
        assert abs(float(centres[energies.argmax()]) - hertz) < 0.06 * hertz + 40
        assert contrast[energies.argmax()] > 1.5


@pytest.mark.parametrize("sample_rate", [8_000, 16_000])
def test_lengths_are_those_of_the_features_for_any_number_of_samples(sample_rate: int) -> None:
    front_end = LogMel(sample_rate=sample_rate)
    for samples in (1, 79, 80, 81, 159, 160, 161, 1000, 16_001):
        features, frames = front_end(torch.zeros(1, samples), torch.tensor([samples]))
        assert features.shape[1] == frames.item()


def test_padding_does_not_change_the_features_of_a_short_utterance() -> None:
    front_end = LogMel()
    short, long = torch.randn(5000), torch.randn(20_000)
    alone, frames = front_end(short.unsqueeze(0), torch.tensor([5000]))
    batch = torch.nn.utils.rnn.pad_sequence([short, long], batch_first=True)
    padded, lengths = front_end(batch, torch.tensor([5000, 20_000]))
    torch.testing.assert_close(padded[0, : frames[0]], alone[0], atol=1e-5, rtol=0)
    assert (padded[0, lengths[0] :] == 0).all()


def test_each_band_has_zero_mean_and_unit_deviation_over_the_real_frames() -> None:
    features, _ = LogMel()(torch.randn(1, 16_000), torch.tensor([16_000]))
    assert features.mean(1).abs().max() < 1e-4
    torch.testing.assert_close(features.std(1, correction=0), torch.ones(1, 64), atol=0.05, rtol=0)


def test_loudness_does_not_matter() -> None:
    front_end, waveform = LogMel(), torch.randn(1, 16_000)
    loud, _ = front_end(waveform, torch.tensor([16_000]))
    soft, _ = front_end(0.1 * waveform, torch.tensor([16_000]))
    assert (loud - soft).abs().max() < 0.05


def test_digital_silence_gives_zeros_and_no_nan() -> None:
    features, _ = LogMel()(torch.zeros(1, 8000), torch.tensor([8000]))
    assert features.abs().max() < 1e-3
