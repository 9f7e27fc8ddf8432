import math

import numpy as np
import pytest

from stt.audio.augmentation.host import CODECS, apply_codec, augment_waveform, shift_pitch, surround
from stt.audio.augmentation.policy import Transform

RATE = 16_000


def rngs(seed: int, batch: int) -> tuple[np.random.Generator, np.random.Generator]:
    return np.random.default_rng((seed, 0)), np.random.default_rng((batch, 1))


def augmented(waveform: np.ndarray, strength: float, seed: int, max_speed: float = math.inf) -> np.ndarray:
    return augment_waveform(waveform, RATE, strength, *rngs(seed, seed), max_speed)


def tone(frequency: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def peak_frequency(waveform: np.ndarray, rate: int = RATE) -> float:
    return float(np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))).argmax() * rate / len(waveform))


def test_strength_zero_changes_nothing() -> None:
    waveform = tone(440)
    for seed in range(20):
        assert augmented(waveform, 0.0, seed) is waveform


def test_the_same_seed_augments_identically() -> None:
    for seed in range(10):
        first, second = (augmented(tone(440), 1.0, seed) for _ in range(2))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("semitones", [-5.0, 0.5, 5.0])
def test_pitch_shift_preserves_timing(semitones: float) -> None:
    waveform = np.concatenate([np.zeros(RATE, np.float32), tone(440), np.zeros(RATE, np.float32)])
    changed = shift_pitch(waveform, RATE, semitones)
    assert len(changed) == len(waveform)
    assert peak_frequency(changed) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)
    loud = np.flatnonzero(np.abs(changed) > 0.1) / RATE
    assert (loud[0], loud[-1]) == (pytest.approx(1, abs=0.05), pytest.approx(2, abs=0.05))


def test_speed_changes_tempo_and_pitch_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PITCH", "PAUSE", "CODEC"):
        monkeypatch.setattr(f"stt.audio.augmentation.host.{name}", Transform(name, "", (0, 0), (0, 0), (0, 0)))
    lengths = set()
    for seed in range(30):
        changed = augmented(tone(440), 1.0, seed)
        lengths.add(len(changed))
        assert peak_frequency(changed) == pytest.approx(440 * RATE / len(changed), rel=0.01)
    assert 0.79 < min(lengths) / RATE < 0.9
    assert 1.1 < max(lengths) / RATE < 1.26


@pytest.mark.parametrize("rate", [8_000, 10_000, 16_000, 22_050])
@pytest.mark.parametrize(("container", "subtype"), CODECS)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_codecs_preserve_length_and_timing(container: str, subtype: str, level: float, rate: int) -> None:
    waveform = np.concatenate([np.zeros(rate // 2, np.float32), tone(440, 0.7, rate), np.zeros(rate // 2, np.float32)])
    coded = apply_codec(waveform, rate, container, subtype, level)
    assert coded.shape == waveform.shape
    assert coded.dtype == np.float32
    assert peak_frequency(coded, rate) == pytest.approx(440, rel=0.02)
    shift = np.correlate(coded, waveform, "full").argmax() - (len(waveform) - 1)
    assert abs(shift) <= 0.004 * rate, "a codec delay would shift the words"


def test_telephone_codecs_remove_everything_above_4_khz() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(apply_codec(noise, RATE, "WAV", "ULAW", 0.0))) ** 2
    assert spectrum[4200:].sum() < 0.01 * spectrum[:4000].sum()


def test_the_maximum_speed_is_respected() -> None:
    shortest = min(len(augmented(tone(440), 1.0, seed, 1.1)) for seed in range(60))
    assert RATE / 1.11 <= shortest < RATE


def test_a_pause_surrounds_the_speech_and_leaves_it_as_it_is() -> None:
    waveform, before = tone(440), set()
    for seed in range(30):
        longer = surround(waveform, 0.5, np.random.default_rng(seed))
        start = int(np.flatnonzero(longer)[0]) - 1  # a sine begins with 0
        assert len(longer) == 1.5 * len(waveform)
        np.testing.assert_array_equal(longer[start : start + len(waveform)], waveform)
        before.add(start)
    assert min(before) < 0.1 * RATE
    assert max(before) > 0.4 * RATE


def test_utterances_of_a_batch_get_pauses_of_the_same_share(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPEED", "PITCH", "CODEC"):
        monkeypatch.setattr(f"stt.audio.augmentation.host.{name}", Transform(name, "", (0, 0), (0, 0), (0, 0)))
    shares = set()
    for batch in range(40):
        lengths = {
            round(len(augment_waveform(tone(440, seconds), RATE, 0.5, *rngs(row, batch))) / seconds / RATE, 3)
            for row, seconds in enumerate((1.0, 2.0, 3.0))
        }
        assert len(lengths) == 1, "a longer one would fill its batch with padding"
        shares |= lengths
    assert min(shares) == 1, "some batches have none"
    assert 1.4 < max(shares) <= 1.5


@pytest.mark.parametrize("samples", [1, 80, 800])
def test_very_short_audio_can_be_augmented(samples: int) -> None:
    for seed in range(12):
        changed = augmented(tone(440)[:samples], 1.0, seed)
        assert len(changed) > 0
        assert np.isfinite(changed).all()
