from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.audio.formats import open_reader
from stt.audio.io import AudioError, audio_info, durations_agree, read_audio, resample
from stt.audio.source import AudioSource

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
    assert audio_info(tmp_path / "a.wav").channels == 2


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


def test_an_mp3_reads_the_same_in_pieces(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "a.mp3", noise, RATE)
    whole = read_audio(tmp_path / "a.mp3", RATE)
    with open_reader(AudioSource(str(tmp_path / "a.mp3"))) as reader:
        pieces = [reader.read(1_000) for _ in range(len(whole) // 1_000)]
    np.testing.assert_allclose(np.concatenate(pieces), whole[: len(whole) // 1_000 * 1_000], atol=1e-6)


def test_resampling_removes_frequencies_above_the_new_nyquist() -> None:
    waveform = resample(tone(6000, 16_000), 16_000, 8_000)
    assert np.abs(waveform[200:-200]).max() < 0.01


def test_an_m4a_file_that_ffmpeg_cannot_read_is_named_whatever_its_extension(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"\x00\x00\x00\x20ftypM4A " + bytes(4000))
    with pytest.raises(AudioError, match=r"song\.mp3: not a readable MP4/AAC file"):
        read_audio(path, RATE)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all" * 100])
def test_bytes_that_are_not_audio_raise_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    for read in (audio_info, lambda path: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=r"a\.wav"):
            read(tmp_path / "a.wav")


def test_a_file_without_a_byte_is_said_to_be_empty(tmp_path: Path) -> None:
    for name in ("a.wav", "a.mp3", "a.m4a"):
        (tmp_path / name).touch()
        with pytest.raises(AudioError, match=rf"{name}: the audio file is empty"):
            read_audio(tmp_path / name, RATE)


def test_a_text_with_the_name_of_an_mp3_is_not_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("no audio")
    with pytest.raises(AudioError, match=r"a\.mp3: not a readable audio file \(Format not recognised\)"):
        audio_info(tmp_path / "a.mp3")


def test_a_missing_file_raises_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="missing"):
        read_audio(tmp_path / "a.wav", RATE)


def test_less_audio_than_expected_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(500, RATE), RATE)
    with pytest.raises(AudioError, match=r"expected 2 s .* found 0\.50 s"):
        read_audio(tmp_path / "a.wav", RATE, offset=0.5, duration=2.0)


def test_a_negative_offset_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(500, RATE), RATE)
    with pytest.raises(AudioError, match=r"a\.wav: the offset of -0\.5 s is negative"):
        read_audio(tmp_path / "a.wav", RATE, offset=-0.5)


def test_nan_in_the_samples_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.1, np.nan, 0.2] * 100, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN"):
        read_audio(tmp_path / "a.wav", RATE)


def promising(path: Path, seconds: float, bits: int = 36) -> Path:
    """Write a FLAC file whose header promises as many samples as it can count."""
    soundfile.write(path, tone(300, RATE, seconds), RATE)
    content = bytearray(path.read_bytes())
    content[18:26] = (int.from_bytes(content[18:26], "big") | (1 << bits) - 1).to_bytes(8, "big")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("bits", [28, 36])
def test_a_header_that_promises_hours_is_an_error_not_a_wait(tmp_path: Path, bits: int) -> None:
    path = promising(tmp_path / "a.flac", 1, bits)
    for read in (lambda: audio_info(path, verify=True), lambda: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=r"a\.flac"):
            read()


def test_silence_that_compresses_well_is_no_damage(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(60 * RATE, np.float32), RATE)
    assert (tmp_path / "a.flac").stat().st_size < 60 * 400
    assert audio_info(tmp_path / "a.flac", verify=True).duration == 60


CUT = [
    *[("WAV", subtype) for subtype in ("PCM_16", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610")],
    *[(kind, "PCM_16") for kind in ("WAVEX", "AIFF", "AU", "W64", "RF64")],
]


@pytest.mark.parametrize(("kind", "subtype"), CUT)
def test_a_file_that_was_cut_off_is_damaged(tmp_path: Path, kind: str, subtype: str) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(500, RATE), RATE, format=kind, subtype=subtype)
    for read in (lambda: audio_info(path, verify=True), lambda: read_audio(path, RATE)):
        read()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for read in (lambda: audio_info(path, verify=True), lambda: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=r"a\.wav: .* could be decoded"):
            read()
    assert len(read_audio(path, RATE, duration=0.4)) == 0.4 * RATE, "what is there can be read"


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_cut_file_is_found_before_it_is_decoded(tmp_path: Path, kind: str, subtype: str, kept: float) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(500, RATE, 10), RATE, format=kind, subtype=subtype)
    assert audio_info(path, verify=True).duration == 10
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert audio_info(path).duration == 10, "the header says so"
    with pytest.raises(AudioError, match=r"a\.flac: the header promises 10\.00 s, but the file ends before"):
        audio_info(path, verify=True)
    with pytest.raises(AudioError, match=r"a\.flac"):
        read_audio(path, RATE)


@pytest.mark.parametrize(
    ("kind", "size"), [("WAV", 0x7F000008), ("WAV", 0x7FFFF000), ("WAV", 0xFFFFFFFF), ("AU", 0xFFFFFFFF)]
)
def test_the_size_of_a_stream_promises_nothing(tmp_path: Path, kind: str, size: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(500, RATE, 1), RATE, format=kind, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    place, order = (content.index(b"data") + 4, "little") if kind == "WAV" else (8, "big")
    content[place : place + 4] = size.to_bytes(4, order)
    path.write_bytes(content)
    assert audio_info(path, verify=True).duration == 1
    assert len(read_audio(path, RATE)) == RATE


@pytest.mark.parametrize("rate", [1, 999, 2_000_000])
def test_a_sample_rate_that_is_none_of_speech_is_an_error(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100, np.float32), rate)
    for read in (audio_info, lambda path: read_audio(path, RATE)):
        with pytest.raises(AudioError, match=f"a sample rate of {rate} Hz"):
            read(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [15_999, 44_101, 47_999])
def test_an_unusual_rate_is_resampled_without_a_filter_of_gigabytes(rate: int) -> None:
    waveform = resample(tone(1000, rate, 2), rate, RATE)
    assert len(waveform) == pytest.approx(2 * RATE, rel=5e-4)
    assert peak_frequency(waveform, RATE) == pytest.approx(1000, abs=1)


def test_no_duration_agrees_with_infinity() -> None:
    assert not durations_agree(float("inf"), 1.0)
    assert not durations_agree(float("nan"), 1.0)


def test_a_byte_span_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"12345")
    for start, length in ((0, 2**62), (2**62, 2**62), (3, 3)):
        with pytest.raises(AudioError, match="bytes"):
            audio_info(AudioSource(str(tmp_path / "a.bin"), start, length))


def test_a_name_that_no_file_can_have_is_a_missing_file() -> None:
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(AudioError, match="missing"):
            audio_info(name)
