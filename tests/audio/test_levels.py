import numpy as np
import pytest

from stt.audio.levels import MAX_SNR, estimate_snr, frame_levels, loudest_level, silent_share

RATE = 8_000


def tone(seconds: float, amplitude: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 500 * time)).astype(np.float32)


def noise(seconds: float, level_db: float, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (10 ** (level_db / 20) * values).astype(np.float32)


def test_a_sine_is_three_decibels_below_its_amplitude() -> None:
    levels = frame_levels(tone(1, 0.5), RATE)
    assert levels.shape == (50,)
    np.testing.assert_allclose(levels, 20 * np.log10(0.5) - 3.01, atol=0.01)


def test_silence_is_found_beside_speech_of_any_loudness() -> None:
    for amplitude in (0.9, 0.01):
        levels = frame_levels(np.concatenate([np.zeros(3 * RATE, np.float32), tone(1, amplitude)]), RATE)
        assert silent_share(levels) == pytest.approx(0.75)
        assert loudest_level(levels) == pytest.approx(20 * np.log10(amplitude) - 3.01, abs=0.1)


def test_digital_silence_is_silent_and_less_than_a_frame_has_a_level() -> None:
    assert silent_share(frame_levels(np.zeros(RATE, np.float32), RATE)) == 1
    assert frame_levels(np.full(3, 0.5, np.float32), RATE).tolist() == pytest.approx([20 * np.log10(0.5)])


@pytest.mark.parametrize("snr_db", [30, 15, 5])
def test_the_snr_of_bursts_in_noise_is_estimated(snr_db: int) -> None:
    bursts = np.concatenate([tone(0.5, 2**0.5 * 0.1), np.zeros(RATE // 2, np.float32)] * 5)  # at -20 dB
    found = estimate_snr(frame_levels(bursts + noise(5, -20 - snr_db), RATE))
    assert found == pytest.approx(snr_db, abs=2)


def test_noise_alone_has_a_low_snr_and_speech_between_digital_silence_a_high_one() -> None:
    assert estimate_snr(frame_levels(noise(5, -20), RATE)) < -2
    assert 70 < estimate_snr(frame_levels(np.concatenate([tone(1, 0.5), np.zeros(RATE, np.float32)]), RATE)) <= MAX_SNR
