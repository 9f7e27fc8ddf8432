import numpy as np
import pytest

from stt.audio.augmentation.host import CODECS, augment_waveform, shift_pitch, through_codec
from stt.audio.augmentation.policy import Transform

RATE = 16_000


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def peak_frequency(waveform: np.ndarray, rate: int = RATE) -> float:
    return float(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))).argmax() * rate / len(waveform))


def test_strength_zero_changes_nothing() -> None:
    waveform = tone(440)
    for seed in range(20):
        assert augment_waveform(waveform, RATE, 0.0, np.random.default_rng(seed)) is waveform


def test_the_same_seed_distorts_the_same_way() -> None:
    for seed in range(10):
        first, second = (augment_waveform(tone(440), RATE, 1.0, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("semitones", [-5.0, 0.5, 5.0])
def test_pitch_changes_without_moving_anything_in_time(semitones: float) -> None:
    waveform = np.concatenate([np.zeros(RATE, np.float32), tone(440), np.zeros(RATE, np.float32)])
    changed = shift_pitch(waveform, RATE, semitones)
    assert len(changed) == len(waveform)
    assert peak_frequency(changed) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)
    loud = np.flatnonzero(np.abs(changed) > 0.1) / RATE
    assert (loud[0], loud[-1]) == (pytest.approx(1, abs=0.05), pytest.approx(2, abs=0.05))


def test_speed_changes_tempo_and_pitch_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for member in ("PITCH", "CODEC"):
        monkeypatch.setattr(f"stt.audio.augmentation.host.{member}", Transform(member, "", (0, 0), (0, 0), (0, 0)))
    lengths = set()
    for seed in range(30):
        changed = augment_waveform(tone(440), RATE, 1.0, np.random.default_rng(seed))
        lengths.add(len(changed))
        assert peak_frequency(changed) == pytest.approx(440 * RATE / len(changed), rel=0.01)
    assert 0.79 < min(lengths) / RATE < 0.9
    assert 1.1 < max(lengths) / RATE < 1.26


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050])
@pytest.mark.parametrize(("kind", "subtype"), CODECS)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_codec_keeps_length_and_place(kind: str, subtype: str, level: float, rate: int) -> None:
    waveform = np.concatenate([np.zeros(rate // 2, np.float32), tone(440, 0.7, rate), np.zeros(rate // 2, np.float32)])
    coded = through_codec(waveform, rate, kind, subtype, level)
    assert coded.shape == waveform.shape
    assert coded.dtype == np.float32
    assert peak_frequency(coded, rate) == pytest.approx(440, rel=0.02)
    shift = np.correlate(coded, waveform, "full").argmax() - (len(waveform) - 1)
    assert abs(shift) <= 0.004 * rate, "a codec that delays would move the words"


def test_the_telephone_loses_what_is_above_4_khz() -> None:
    hiss = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(through_codec(hiss, RATE, "WAV", "ULAW", 0.0))) ** 2
    assert spectrum[4200:].sum() < 0.01 * spectrum[:4000].sum()


def test_the_highest_speed_is_kept() -> None:
    shortest = min(len(augment_waveform(tone(440), RATE, 1.0, np.random.default_rng(seed), 1.1)) for seed in range(60))
    assert RATE / 1.11 <= shortest < RATE


@pytest.mark.parametrize("samples", [1, 80, 800])
def test_very_short_audio_survives(samples: int) -> None:
    for seed in range(12):
        changed = augment_waveform(tone(440)[:samples], RATE, 1.0, np.random.default_rng(seed))
        assert len(changed) > 0
        assert np.isfinite(changed).all()
