from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.audio import av_reader, soundfile_reader
from stt.audio.blocks import audio_blocks
from stt.audio.io import AudioError, read_audio
from stt.audio.source import AudioSource
from stt.audio.waveform import Waveform
from tests.audio.encoding import chirp, encode
from tests.audio.test_io import promising

RATE = 16_000


def check(source: Path | AudioSource, block_seconds: float) -> None:
    blocks = list(audio_blocks(source, RATE, block_seconds=block_seconds))
    whole = read_audio(source, RATE)
    assert len(blocks) > 2
    assert all(len(block) and block.dtype == np.float32 for block in blocks)
    joined = np.concatenate(blocks)
    assert len(joined) == len(whole)
    np.testing.assert_allclose(joined, whole, atol=1e-5)


@pytest.mark.parametrize("block_seconds", [0.9, 0.123])
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 48_000, 192_000])
def test_blocks_together_equal_the_whole_at_every_rate(tmp_path: Path, rate: int, block_seconds: float) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (int(3.21 * rate), 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, rate, subtype="FLOAT")
    check(tmp_path / "a.wav", block_seconds)


@pytest.mark.parametrize("channels", [3, 900])
def test_many_channels_take_no_more_memory(tmp_path: Path, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    read = soundfile.SoundFile.read

    def reading(file: soundfile.SoundFile, frames: int, **options: object) -> np.ndarray:
        asked.append(frames * file.channels)
        return np.asarray(read(file, frames, **options))

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1_000, channels)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, RATE, subtype="FLOAT")
    monkeypatch.setattr(soundfile_reader, "MAX_VALUES", 800)
    monkeypatch.setattr(soundfile.SoundFile, "read", reading)
    joined = np.concatenate(list(audio_blocks(tmp_path / "a.wav", RATE)))
    np.testing.assert_allclose(joined, noise.mean(axis=1), atol=1e-6)
    assert max(asked) <= max(800, channels)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.m4a", "aac", 44_100),
        ("a.webm", "libopus", 48_000),
        ("a.amr", "libopencore_amrnb", 8_000),
        ("a.mka", "flac", 192_000),
    ],
)
def test_blocks_together_equal_the_whole_in_formats_of_ffmpeg(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    path = encode(tmp_path / name, codec, chirp(rate, 3.3), rate)
    check(path, 0.7)
    data = path.read_bytes()
    (tmp_path / "shard.tar").write_bytes(b"header" + data + b"footer")
    check(AudioSource(str(tmp_path / "shard.tar"), 6, len(data)), 0.7)


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.gsm.wav"])
def test_blocks_together_equal_the_whole_in_lossy_formats(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, chirp(8_000, 5), 8_000, subtype="GSM610" if "gsm" in name else None)
    check(tmp_path / name, 0.7)


def test_a_file_shorter_than_a_block_is_one_block_or_two(tmp_path: Path) -> None:
    for samples in (1, 5, 441, 442, 10_000):
        soundfile.write(tmp_path / "a.wav", chirp(44_100, 1)[1 : samples + 1], 44_100, subtype="FLOAT")
        blocks = list(audio_blocks(tmp_path / "a.wav", RATE))
        assert len(blocks) <= 2
        np.testing.assert_allclose(np.concatenate(blocks), read_audio(tmp_path / "a.wav", RATE), atol=1e-5)


@pytest.mark.parametrize(("name", "codec"), [("a.wav", ""), ("a.m4a", "aac"), ("a.mka", "flac")])
def test_an_hour_is_never_in_memory_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str
) -> None:
    rate, path = 8_000, tmp_path / name
    if codec:
        encode(path, codec, np.zeros(600 * rate, np.float32), rate)
    else:
        soundfile.write(path, np.zeros(600 * rate, np.float32), rate)
    held: list[int] = []  # samples in the hands of a reader, after each read

    def counting(read: object) -> object:
        def counted(reader: object, count: int) -> Waveform:
            samples = read(reader, count)  # type: ignore[operator]
            held.append(len(samples) + len(getattr(reader, "_rest", ())))
            return samples

        return counted

    for kind in (av_reader.AvReader, soundfile_reader.SoundFileReader):
        monkeypatch.setattr(kind, "read", counting(kind.read))
    total, largest = 0, 0
    for block in audio_blocks(path, RATE, block_seconds=10):
        total += len(block)
        largest = max(largest, len(block))
    assert total == pytest.approx(600 * RATE, abs=3_000)
    assert largest <= 10.1 * RATE
    assert len(held) >= 60
    assert max(held) <= 10 * rate + 5_000  # a block, and the rest of a frame of the codec


def test_the_first_block_is_there_before_the_last_one_is_read(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.aac", "aac", chirp(48_000, 10), 48_000)
    path.write_bytes(path.read_bytes()[:-9_000])
    blocks = audio_blocks(path, RATE, block_seconds=1.0)
    assert len(next(blocks)) == pytest.approx(RATE, rel=0.01)
    with pytest.raises(AudioError, match=r"a\.aac: the AAC file is damaged"):
        list(blocks)


def failing(folder: Path) -> Iterator[Path]:
    yield folder / "missing.wav"
    (folder / "text.wav").write_bytes(b"not audio at all" * 100)
    yield folder / "text.wav"
    soundfile.write(folder / "nan.wav", np.array([0.1, np.nan] * 500, np.float32), RATE, subtype="FLOAT")
    yield folder / "nan.wav"
    soundfile.write(folder / "rate.wav", np.zeros(100, np.float32), 999)
    yield folder / "rate.wav"
    soundfile.write(folder / "empty.wav", np.zeros(0, np.float32), RATE)
    yield folder / "empty.wav"
    yield promising(folder / "promising.flac", 1, 28)
    path = encode(folder / "cut.m4a", "aac", chirp(48_000, 3), 48_000, movflags="faststart")
    path.write_bytes(path.read_bytes()[:-9_000])
    yield path
    path = encode(folder / "cut.webm", "libopus", chirp(48_000, 3), 48_000)
    path.write_bytes(path.read_bytes()[:-9_000])
    yield path


def test_errors_are_those_of_reading_the_whole(tmp_path: Path) -> None:
    for path in failing(tmp_path):
        with pytest.raises(AudioError) as whole:
            read_audio(path, RATE)
        with pytest.raises(AudioError) as blocks:
            list(audio_blocks(path, RATE, block_seconds=0.5))
        assert str(blocks.value) == str(whole.value)
        assert "\n" not in str(blocks.value)


@pytest.mark.parametrize(("offset", "duration"), [(0.0, 1.3), (0.7, 2.2), (2.5, None)])
def test_the_blocks_of_a_part_are_what_is_read_of_it(tmp_path: Path, offset: float, duration: float | None) -> None:
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * 44_100).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", waveform, 44_100)
    blocks = list(audio_blocks(tmp_path / "a.wav", RATE, offset, duration, block_seconds=0.4))
    assert len(blocks) > 2
    whole = read_audio(tmp_path / "a.wav", RATE, offset, duration)
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-5)
