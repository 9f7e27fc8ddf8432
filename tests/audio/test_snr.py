import pytest
import torch

from stt.audio.snr import level_range

RATE = 16_000


def half_silent(snr_db: float) -> torch.Tensor:
    """A second of a tone that is on half of the time, in white noise at the given SNR."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(RATE) / RATE
    tone = torch.sin(2 * torch.pi * 440 * time) * (time < 0.5)
    return tone + torch.randn(RATE, generator=generator) * (0.5 / 10 ** (snr_db / 10)) ** 0.5


@pytest.mark.parametrize("snr_db", [40.0, 20.0, 10.0])
def test_the_level_range_of_a_tone_with_pauses_is_its_snr(snr_db: float) -> None:
    waveform = half_silent(snr_db).unsqueeze(0)
    assert float(level_range(waveform, torch.tensor([RATE]), RATE)) == pytest.approx(snr_db, abs=1.5)


def test_padding_and_loudness_do_not_change_the_level_range() -> None:
    one, other = half_silent(20), half_silent(5)[: RATE // 2]
    padded = torch.nn.utils.rnn.pad_sequence([one, 0.1 * other], batch_first=True)
    lengths = torch.tensor([len(one), len(other)])
    alone = [float(level_range(x.unsqueeze(0), torch.tensor([len(x)]), RATE)) for x in (one, other)]
    assert level_range(padded, lengths, RATE).tolist() == pytest.approx(alone, abs=0.01)


def test_silence_and_very_short_audio_have_a_level_range_of_zero() -> None:
    assert level_range(torch.zeros(2, RATE), torch.tensor([RATE, 10]), RATE).tolist() == [0.0, 0.0]
    assert level_range(torch.ones(1, 5), torch.tensor([5]), RATE).tolist() == [0.0]
