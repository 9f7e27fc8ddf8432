import http.server
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from stt.audio.io import AudioError, audio_info, read_audio
from stt.audio.source import AudioSource, resolve_address

RATE = 8_000
FORMATS = ("wav", "flac", "ogg", "mp3")


def noise(seed: int, seconds: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.3, 0.3, int(seconds * RATE)).astype(np.float32)


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Path, list[AudioSource], list[np.ndarray]]:
    """Audio files of several formats in one shard, with padding between; also their references and waveforms."""
    content, sources, waveforms = b"header", [], []
    for seed, kind in enumerate(FORMATS):
        path = tmp_path / f"{seed}.{kind}"
        soundfile.write(path, noise(seed), RATE)
        data = path.read_bytes()
        sources.append(AudioSource(str(tmp_path / "shard.tar"), len(content), len(data)))
        content += data + bytes(100)
        waveforms.append(read_audio(path, RATE))
        path.unlink()
    (tmp_path / "shard.tar").write_bytes(content)
    return tmp_path / "shard.tar", sources, waveforms


class Ranges(http.server.SimpleHTTPRequestHandler):
    """An HTTP server that, unlike Python's own, supports range requests."""

    def log_message(self, *arguments: object) -> None: ...

    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if not requested or not path.is_file():
            super().do_GET()
            return
        start, end = requested.removeprefix("bytes=").split("-")
        data = path.read_bytes()[int(start) : int(end) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class NoRanges(Ranges):
    def do_GET(self) -> None:
        http.server.SimpleHTTPRequestHandler.do_GET(self)


@pytest.fixture(params=[Ranges, NoRanges])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of the temporary folder over HTTP."""
    handler = partial(request.param, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def check(sources: list[AudioSource], waveforms: list[np.ndarray]) -> None:
    for source, waveform in zip(sources, waveforms, strict=True):
        np.testing.assert_array_equal(read_audio(source, RATE), waveform)
        window = read_audio(source, RATE, offset=0.125, duration=0.25)
        np.testing.assert_allclose(window, waveform[1000:3000], atol=1e-6)
        assert audio_info(source).duration == len(waveform) / RATE


def test_a_byte_span_reads_like_the_original_file(
    shard: tuple[Path, list[AudioSource], list[np.ndarray]],
) -> None:
    check(shard[1], shard[2])


def test_byte_spans_and_files_are_read_over_http(
    shard: tuple[Path, list[AudioSource], list[np.ndarray]], server: str
) -> None:
    check([AudioSource(f"{server}/shard.tar", s.byte_offset, s.byte_length) for s in shard[1]], shard[2])
    soundfile.write(shard[0].parent / "one.flac", noise(9), RATE)
    check([AudioSource(f"{server}/one.flac")], [read_audio(shard[0].parent / "one.flac", RATE)])
    with pytest.raises(AudioError, match=r"none\.wav: .*(missing|404)"):
        read_audio(f"{server}/none.wav", RATE)


def test_byte_spans_are_read_from_any_fsspec_file_system(
    shard: tuple[Path, list[AudioSource], list[np.ndarray]],
) -> None:
    address = f"memory://{uuid.uuid4()}/shard.tar"
    with fsspec.open(address, "wb") as file:
        file.write(shard[0].read_bytes())
    check([AudioSource(address, s.byte_offset, s.byte_length) for s in shard[1]], shard[2])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (AudioSource("memory://nobody/none.wav"), "memory://nobody/none.wav: the audio file is missing"),
        (AudioSource("klingon://x/a.wav"), "klingon://x/a.wav: cannot be fetched"),
        (AudioSource("s3://bucket/a.wav"), "s3://bucket/a.wav: its protocol needs an additional package"),
        (AudioSource("none.tar", 5, 10), r"none\.tar \(bytes 5 to 15\): the audio file is missing"),
    ],
)
def test_missing_audio_raises_a_clear_error(source: AudioSource, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        read_audio(source, RATE)


def test_a_byte_span_that_is_too_long_or_not_audio_raises_a_clear_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0), RATE)
    with pytest.raises(
        AudioError, match=r"a\.wav \(bytes 8000 to 9000\): the file is too short, it has 44 of the 1000 bytes"
    ):
        read_audio(AudioSource(str(tmp_path / "a.wav"), 8000, 1000), RATE)
    with pytest.raises(AudioError, match=r"a\.wav \(bytes 100 to 1100\): not a readable audio file"):
        read_audio(AudioSource(str(tmp_path / "a.wav"), 100, 1000), RATE)


def test_names_are_relative_to_their_folder_unless_they_are_absolute_or_urls() -> None:
    assert resolve_address(Path("corpus"), "a/1.wav") == "corpus/a/1.wav"
    assert resolve_address(Path("corpus"), "/b/1.wav") == "/b/1.wav"
    assert resolve_address(Path("corpus"), "s3://bucket/1.wav") == "s3://bucket/1.wav"
    assert AudioSource("s3://bucket/1.wav").absolute().address == "s3://bucket/1.wav"
    assert Path(AudioSource("1.wav", 1, 2).absolute().address) == Path.cwd() / "1.wav"
