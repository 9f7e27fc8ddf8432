import numpy as np
import pytest

from stt.corpus.synthesis import sound

SAMPLE_RATE = 16_000


def tone(hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_noise_is_mixed_at_the_requested_snr(snr_db: float) -> None:
    voice, noise = tone(440), sound.colored_noise(SAMPLE_RATE, 1.0, np.random.default_rng(0))
    added = sound.mix(voice, noise, snr_db) - voice
    assert 10 * np.log10(np.mean(voice**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.01)


def test_a_band_limit_passes_tones_inside_and_removes_tones_outside() -> None:
    def amplitude(hertz: float) -> float:
        return float(np.abs(sound.band(tone(hertz), SAMPLE_RATE, 300, 3400)[2000:-2000]).max())

    assert amplitude(1000) == pytest.approx(1, abs=0.05)
    assert amplitude(60) < 0.02
    assert amplitude(6000) < 0.02


def test_reverberation_decays_by_60_db_in_the_given_time() -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[0] = 1
    tail = sound.room(click, SAMPLE_RATE, 0.5, 6.0, np.random.default_rng(0))[1:]
    assert 10 * np.log10(1 / np.sum(tail**2)) == pytest.approx(6, abs=0.1), "direct-to-reverberant ratio"
    energy = [float(np.mean(tail[int(t * SAMPLE_RATE) :][:400] ** 2)) for t in (0.0, 0.25, 0.46)]
    assert 10 * np.log10(energy[0] / energy[1]) == pytest.approx(30, abs=4)
    assert 10 * np.log10(energy[0] / energy[2]) == pytest.approx(55, abs=5)


def test_noise_has_the_requested_slope() -> None:
    spectrum = np.abs(np.fft.rfft(sound.colored_noise(1 << 16, 2.0, np.random.default_rng(0)))) ** 2
    octave_low, octave_high = spectrum[1000:2000].mean(), spectrum[2000:4000].mean()
    assert octave_low / octave_high == pytest.approx(4, rel=0.15)


def test_a_recorded_room_adds_its_echo_at_the_requested_level() -> None:
    click = np.zeros(2_000, np.float32)
    click[100] = 1
    echo = np.zeros(1_000, np.float32)
    echo[499] = -0.2  # 500 samples after the direct sound
    wet = sound.reverberate(click, echo, 6.0, 300)
    assert len(wet) == 2_300
    assert np.flatnonzero(np.abs(wet) > 0.01).tolist() == [100, 600]
    assert 10 * np.log10(wet[100] ** 2 / wet[600] ** 2) == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize("length", [1, 7, 10, 35])
def test_a_window_of_a_recording_wraps_around_at_its_end(length: int) -> None:
    recording = np.arange(10, dtype=np.float16)
    window = sound.cut(recording, length, np.random.default_rng(0))
    assert window.dtype == np.float32
    assert window.tolist() == [(window[0] + i) % 10 for i in range(length)]
