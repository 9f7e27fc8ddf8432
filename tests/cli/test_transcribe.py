import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from stt.cli.main import main
from stt.corpus.table import EXTENSIONS
from stt.recognition.formats import FORMATS
from stt.recognition.inputs import MANIFESTS
from tests.conftest import RATE, ROOT, spoken_in_tones


@pytest.fixture
def checkpoint(trained: Path) -> str:
    return str(trained / "checkpoints" / "best.ckpt")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder with a file and one in a folder that it links to, and a file that is not audio."""
    folder = tmp_path / "recordings"
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir()
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    soundfile.write(folder / "first.wav", spoken_in_tones("ab"), RATE)
    soundfile.write(folder / "more" / "second.flac", spoken_in_tones("cad"), RATE)
    (folder / "notes.txt").write_text("nothing to hear")
    return folder


@pytest.fixture
def transcribe(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command, which must succeed; gives what it prints."""

    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(["transcribe", checkpoint, *map(str, arguments)])
        printed = capsys.readouterr()
        assert stopped.value.code == 0, printed.err
        return printed.out

    return run


def test_all_audio_in_a_folder_is_transcribed(transcribe: Callable[..., str], recordings: Path) -> None:
    printed = transcribe(recordings).splitlines()
    assert printed == [f"{recordings}/first.wav\tab", f"{recordings}/more/second.flac\tcad"]


def test_every_recording_gets_a_file_in_the_output_folder(
    transcribe: Callable[..., str], recordings: Path, tmp_path: Path
) -> None:
    for file_format, extension in FORMATS.items():
        out = tmp_path / file_format
        printed = transcribe(recordings, "--format", file_format, "--out", out)
        assert printed == f"2 transcripts in {out}, 0 recordings failed\n"
        files = [path for path in out.rglob("*") if path.is_file()]
        assert sorted(files) == [out / f"first{extension}", out / "more" / f"second{extension}"]
        assert all(word in (out / f"more/second{extension}").read_text() for word in ("cad",))


def test_recordings_that_differ_in_their_extension_get_a_file_each(
    transcribe: Callable[..., str], recordings: Path, tmp_path: Path
) -> None:
    soundfile.write(recordings / "first.flac", spoken_in_tones("bed"), RATE)
    assert (
        transcribe(recordings, "--out", tmp_path / "out")
        == f"3 transcripts in {tmp_path / 'out'}, 0 recordings failed\n"
    )
    written = {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").rglob("*.txt")}
    assert written == {"first.wav.txt": "ab\n", "first.flac.txt": "bed\n", "more/second.txt": "cad\n"}


def test_the_rows_of_a_manifest_are_transcribed_under_their_ids(
    transcribe: Callable[..., str], recordings: Path, tmp_path: Path
) -> None:
    both = tmp_path / "both.wav"
    soundfile.write(both, [*spoken_in_tones("ab"), *spoken_in_tones("cad")], RATE)
    lines = ["id,audio,text,duration,domain,offset", "a/1,both.wav,x,0.8,d,0", "../2,both.wav,x,1.0,d,0.8"]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    transcribe(tmp_path / "rows.csv", "--out", tmp_path / "out")
    assert (tmp_path / "out" / "a" / "1.txt").read_text() == "ab\n"
    assert (tmp_path / "out" / "2.txt").read_text() == "cad\n"
    assert MANIFESTS == EXTENSIONS


def test_audio_from_standard_input_is_transcribed(
    transcribe: Callable[..., str], recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (recordings / "first.wav").read_bytes()
    monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": io.BytesIO(data)}))
    assert json.loads(transcribe("-", "--format", "json"))["text"] == "ab"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["first.wav", "--format", "docx"], "--format docx: choose one of text, json, srt, vtt, textgrid"),
        (
            ["first.wav", "more/second.flac", "--format", "srt"],
            "--format srt: 2 recordings need a folder: --out FOLDER",
        ),
        (
            ["first.wav", "copy/first.wav", "--out", "out"],
            "first.wav and copy/first.wav would both be first.wav in --out: rename one of them",
        ),
        (["-", "--out", "done"], "done/standard_input.txt exists already, choose another folder or delete it"),
        ([""], "the name of a recording is empty"),
        (["https://"], "https://"),
        (["empty"], "empty: the folder contains no audio file"),
        (["missing.csv"], "missing.csv"),
        (["missing.wav"], "missing.wav: the audio file is missing"),
        (["first.wav", "--out", "notes.txt"], "notes.txt"),
        (["first.wav", "--threads", "0"], "Invalid value for '--threads'"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    message: str,
    checkpoint: str,
    recordings: Path,
    fails: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(recordings)
    (recordings / "empty").mkdir()
    (recordings / "copy").mkdir()
    (recordings / "copy" / "first.wav").write_bytes((recordings / "first.wav").read_bytes())
    (recordings / "done").mkdir()
    (recordings / "done" / "standard_input.txt").write_text("mine")
    monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": io.BytesIO(b"nothing")}))
    assert message in fails(main, ["transcribe", checkpoint, *arguments])
    assert (recordings / "done" / "standard_input.txt").read_text() == "mine"


def test_a_bad_standard_input_is_named_as_such(
    checkpoint: str, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", type("Input", (), {"buffer": io.BytesIO(b"nothing")}))
    assert "error: standard input: not a readable audio file" in fails(main, ["transcribe", checkpoint, "-"])
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in fails(main, ["transcribe", checkpoint, "-"])


def test_the_transcript_of_a_url_stays_in_the_output_folder(
    transcribe: Callable[..., str], recordings: Path, tmp_path: Path
) -> None:
    (recordings / "inner").mkdir()
    transcribe(f"file://{recordings}/inner/../first.wav", "--out", tmp_path / "out")
    [written] = list((tmp_path / "out").rglob("*.txt"))
    assert written.name == "first.txt"
    assert not list(recordings.rglob("first.txt"))


def test_a_file_that_may_not_be_read_is_reported_and_the_others_are_transcribed(
    checkpoint: str, recordings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path.name == "first.wav":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SystemExit) as stopped:
        main(["transcribe", checkpoint, str(recordings)])
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert "first.wav: the file cannot be read (Permission denied)" in printed.err
    assert printed.out.endswith("cad\n")


@pytest.mark.slow
def test_a_progress_bar_does_not_swallow_what_is_printed_to_a_file(
    checkpoint: str, recordings: Path, tmp_path: Path
) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "stt", "transcribe", checkpoint, str(recordings / "first.wav")]
    with (tmp_path / "out.txt").open("w") as out:
        subprocess.run(command, stdout=out, stderr=end, check=True, cwd=ROOT, env={**os.environ, "TERM": "xterm"})
    os.close(end)
    os.close(terminal)
    assert (tmp_path / "out.txt").read_text() == "ab\n"


def test_an_output_never_replaces_a_recording(checkpoint: str, recordings: Path, fails: Callable[..., str]) -> None:
    (recordings / "speech.json").write_bytes((recordings / "first.wav").read_bytes())
    before = (recordings / "speech.json").read_bytes()
    arguments = [str(recordings / "speech.json"), "--format", "json", "--out", str(recordings)]
    fails(main, ["transcribe", checkpoint, *arguments])
    assert (recordings / "speech.json").read_bytes() == before
