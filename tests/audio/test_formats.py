import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from stt.audio import av_reader
from stt.audio.formats import EXTENSIONS, open_reader
from stt.audio.io import AudioError, audio_info, read_audio
from stt.audio.source import AudioSource
from tests.audio.encoding import chirp, encode

RATE = 16_000


@pytest.mark.parametrize("kind", sorted(EXTENSIONS))
def test_what_a_file_is_its_content_decides(tmp_path: Path, kind: str) -> None:
    wav, m4a = tmp_path / f"wav{kind}", tmp_path / f"m4a{kind}"
    soundfile.write(wav, chirp(RATE, 1), RATE, format="WAV")
    shutil.move(encode(tmp_path / "made.m4a", "aac", chirp(RATE, 1), RATE), m4a)
    for path, reader in ((wav, "SoundFileReader"), (m4a, "AvReader")):
        with open_reader(AudioSource(str(path))) as opened:
            assert type(opened).__name__ == reader
        assert audio_info(path).duration == 1


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mov", "pcm_s16le", RATE),
        ("a.webm", "libopus", 48_000),
        ("a.wma", "wmav2", RATE),
        ("a.amr", "libopencore_amrnb", 8_000),
        ("a.aac", "aac", RATE),
        ("a.avi", "libmp3lame", RATE),
    ],
)
def test_libsndfile_never_sees_what_it_would_take_for_mp3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str, rate: int
) -> None:
    path = encode(tmp_path / name, codec, chirp(rate, 1), rate).rename(tmp_path / "song.mp3")
    monkeypatch.setattr(soundfile, "SoundFile", None)
    assert audio_info(path).sample_rate == rate


def test_aac_after_tags_is_no_mp3(tmp_path: Path) -> None:
    tags = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
    path = encode(tmp_path / "a.aac", "aac", chirp(RATE, 1), RATE)
    whole = read_audio(path, RATE)
    path.write_bytes(tags + path.read_bytes())
    np.testing.assert_array_equal(read_audio(path, RATE), whole)


def test_an_mp3_with_tags_is_read_by_libsndfile(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", chirp(RATE, 1), RATE)
    (tmp_path / "a.mp3").write_bytes(
        b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256) + (tmp_path / "a.mp3").read_bytes()
    )
    with open_reader(AudioSource(str(tmp_path / "a.mp3"))) as reader:
        assert type(reader).__name__ == "SoundFileReader"


def test_ffmpeg_is_imported_only_for_what_needs_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", chirp(RATE, 1), RATE)
    code = "import sys; from stt.audio.io import read_audio; read_audio(sys.argv[1], 16000); print('av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.wav"], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_noise_is_no_audio_in_any_format(tmp_path: Path) -> None:
    starts = [b"", b"\x00\x00\x00\x20ftypM4A ", b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"#!AMR\n", b"RIFF0000AVI "]
    for seed, start in enumerate(starts * 5):
        (tmp_path / "a.m4a").write_bytes(start + np.random.default_rng(seed).bytes(5_000))
        for read in (audio_info, lambda path: read_audio(path, RATE)):
            with pytest.raises(AudioError, match=r"a\.m4a: .*(not a readable|damaged|no audio track)"):
                read(tmp_path / "a.m4a")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """URL of the temporary folder, and the paths that were requested."""
    requested: list[str] = []

    class Recording(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            super().do_GET()

        def log_message(self, *arguments: object) -> None: ...

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *arguments: Recording(*arguments, directory=str(tmp_path))
    ) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", requested
        running.shutdown()


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n{}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "concat": "file '{}'\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="0" mimeType="audio/mp4"><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\na={}\n",
}


def playlists(folder: Path, url: str) -> Iterator[Path]:
    secret = encode(folder / "secret.aac", "aac", chirp(RATE, 1), RATE)
    for kind, template in PLAYLISTS.items():
        for target in ("secret.aac", str(secret), f"file:{secret}", f"{url}/secret.aac"):
            for name in (f"list.{kind}", "list.m4a", "list.mp3", "list.wav"):
                (folder / name).write_text(template.format(target))
                yield folder / name


def test_a_playlist_makes_ffmpeg_open_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[str, list[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in playlists(tmp_path, server[0]):
        for read in (audio_info, lambda path: read_audio(path, RATE)):
            with pytest.raises(AudioError, match=r"list\.\w+: not a readable audio file"):
                read(path)
    assert not server[1]


@pytest.mark.parametrize("kind", ["ffconcat", "m3u8"])
def test_a_playlist_opens_no_other_file_even_if_its_format_were_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[str, list[str]], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "secret.aac", "aac", chirp(RATE, 1), RATE)
    path = tmp_path / f"list.{kind}"
    path.write_text(PLAYLISTS[kind].format("secret.aac"))
    with av.open(str(path)) as container:  # what would happen without the precautions
        assert next(container.decode(audio=0)).samples
    monkeypatch.setattr(av_reader, "FORMATS", f"{av_reader.FORMATS},concat,hls")
    for target in ("secret.aac", f"{server[0]}/secret.aac"):
        path.write_text(PLAYLISTS[kind].format(target))
        with pytest.raises(AudioError):
            av_reader.AvReader(str(path), AudioSource(str(path)))
    assert not server[1]


@pytest.mark.parametrize("name", ["concat:other.m4a", "pipe:0", "file:other.m4a", "-", "%d.m4a", "http:a.m4a"])
def test_a_name_is_a_name_not_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "other.m4a", "aac", chirp(RATE, 2), RATE)
    shutil.move(encode(tmp_path / "made.m4a", "aac", chirp(RATE, 1), RATE), name)
    assert audio_info(name).duration == 1
    assert len(read_audio(name, RATE)) == RATE
