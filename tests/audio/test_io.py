from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.audio.io import AudioError, audio_info, durations_agree, read_audio, resample

RATE = 16_000


def tone(hertz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def peak_frequency(waveform: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(waveform)).argmax() * rate / len(waveform))


@pytest.mark.parametrize(
    ("name", "rate", "subtype"),
    [
        ("a.wav", 44_100, "PCM_16"),
        ("a.flac", 8_000, None),
        ("a.mp3", 22_050, None),
        ("a.ogg", 16_000, "VORBIS"),
        ("a.opus", 48_000, "OPUS"),
        ("a.gsm.wav", 8_000, "GSM610"),
    ],
)
def test_a_tone_survives_every_format_and_rate(tmp_path: Path, name: str, rate: int, subtype: str | None) -> None:
    kind = "OGG" if name.endswith("opus") else None
    soundfile.write(tmp_path / name, tone(1000, rate), rate, subtype=subtype, format=kind)
    waveform = read_audio(tmp_path / name, RATE)
    assert waveform.dtype == np.float32
    assert peak_frequency(waveform, RATE) == pytest.approx(1000, abs=5)
    assert durations_agree(1.0, len(waveform) / RATE)
    assert durations_agree(1.0, audio_info(tmp_path / name).duration)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(500, RATE)
    soundfile.write(tmp_path / "a.wav", np.stack([left, -left], axis=1), RATE)
    assert np.abs(read_audio(tmp_path / "a.wav", RATE)).max() < 1e-3


def test_reading_a_window_equals_slicing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, RATE, subtype="FLOAT")
    window = read_audio(tmp_path / "a.wav", RATE, offset=1.25, duration=0.5)
    np.testing.assert_array_equal(window, noise[int(1.25 * RATE) : int(1.75 * RATE)])


def test_a_window_can_be_read_from_a_format_without_seeking(tmp_path: Path) -> None:
    silence_then_tone = np.concatenate([np.zeros(8_000, np.float32), tone(1000, 8_000)])
    soundfile.write(tmp_path / "a.wav", silence_then_tone, 8_000, subtype="GSM610")
    window = read_audio(tmp_path / "a.wav", 8_000, offset=1.1, duration=0.5)
    assert len(window) == 4000
    assert peak_frequency(window, 8_000) == pytest.approx(1000, abs=5)


def test_resampling_removes_frequencies_above_the_new_nyquist() -> None:
    waveform = resample(tone(6000, 16_000), 16_000, 8_000)
    assert np.abs(waveform[200:-200]).max() < 0.01


def test_an_m4a_file_named_mp3_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"\x00\x00\x00\x20ftypM4A " + bytes(4000))
    with pytest.raises(AudioError, match=r"song\.mp3: this is MP4/AAC"):
        read_audio(path, RATE)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all" * 100])
def test_bytes_that_are_not_audio_raise_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    for read in (audio_info, lambda path: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=r"a\.wav"):
            read(tmp_path / "a.wav")


def test_a_missing_file_raises_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="missing"):
        read_audio(tmp_path / "a.wav", RATE)


def test_less_audio_than_expected_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(500, RATE), RATE)
    with pytest.raises(AudioError, match=r"expected 2 s .* found 0\.50 s"):
        read_audio(tmp_path / "a.wav", RATE, offset=0.5, duration=2.0)


def test_nan_in_the_samples_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.1, np.nan, 0.2] * 100, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN"):
        read_audio(tmp_path / "a.wav", RATE)
