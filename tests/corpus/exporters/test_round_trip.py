"""What is exported and imported again is what it was, where the format can carry it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stt.cli.main import main
from stt.corpus.exporters import exporters
from stt.corpus.manifest import Manifest, read_manifest
from tests.corpus.exporters.conftest import RATE

FORMATS = {  # arguments of the export, what to import, columns that the format does not carry
    "nemo": ("nemo", [], "manifest.jsonl", set[str]()),
    "kaldi": ("kaldi", [], "", {"cer", "speaker"}),
    "lhotse": ("lhotse", [], "", set[str]()),
    "audiofolder": ("huggingface", [], "", set[str]()),
    "parquet": ("huggingface", ["--layout", "parquet"], "", set[str]()),
}
EVERY = pytest.mark.parametrize("name", list(FORMATS))


def export(kind: str, manifest: Manifest, out: Path, *options: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["corpus", "export", kind, str(manifest.path), "--out", str(out), *options])
    assert stopped.value.code == 0


def round_trip(name: str, manifest: Manifest, tmp_path: Path, *options: str) -> Manifest:
    kind, arguments, source, _ = FORMATS[name]
    export(kind, manifest, tmp_path / "exported", *arguments, *options)
    path, out = str(tmp_path / "exported" / source), str(tmp_path / "again.parquet")
    with pytest.raises(SystemExit) as stopped:
        main(["corpus", "import", kind, path, "--out", out, "--domain", "{domain}"])
    assert stopped.value.code == 0
    return read_manifest(tmp_path / "again.parquet")


def by_id(manifest: Manifest, *columns: str) -> dict[str, Any]:
    rows = manifest.table.select(["id", *columns]).to_pylist()
    return {row["id"]: tuple(row[column] for column in columns) for row in rows}


def waveforms(manifest: Manifest) -> dict[str, np.ndarray]:
    return {str(manifest.value(row, "id")): manifest.waveform(row, RATE) for row in range(len(manifest))}


def test_every_exporter_file_is_a_format() -> None:
    tasks = {"label_studio"}  # what comes back are decisions: tests/curation/review
    assert {kind for kind, *_ in FORMATS.values()} | tasks == set(exporters())


@EVERY
def test_whole_files_come_back_with_all_that_the_format_carries(
    name: str, whole: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = round_trip(name, whole, tmp_path)
    lost = FORMATS[name][3]
    columns = [column for column in ("text", "duration", "domain", "speaker", "cer") if column not in lost]
    assert by_id(again, *columns) == by_id(whole, *columns)
    extra = by_id(again, "language", "votes")
    assert {key: tuple(cell if cell is None else str(cell) for cell in cells) for key, cells in extra.items()} == {
        key: tuple(cell if cell is None else str(cell) for cell in cells)
        for key, cells in by_id(whole, "language", "votes").items()
    }
    said = capsys.readouterr().out
    if name == "kaldi":
        assert "not carried: the column cer: 2 rows" in said
        assert "a missing speaker: every such utterance is its own: 1 rows" in said
        assert by_id(again, "speaker") == {"u2": ("anna",), "u1": ("u1",), "u0": ("bob",)}
    for key, waveform in waveforms(whole).items():
        assert np.allclose(waveforms(again)[key], waveform, atol=1e-4)


@EVERY
@pytest.mark.parametrize("options", [[], ["--copy-audio"]], ids=["refer", "copy"])
def test_windows_and_byte_spans_sound_the_same(
    name: str, options: list[str], parts: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = round_trip(name, parts, tmp_path, *options)
    assert by_id(again, "text", "domain") == by_id(parts, "text", "domain")
    for key, waveform in waveforms(parts).items():
        assert len(waveforms(again)[key]) == len(waveform)
        assert np.allclose(waveforms(again)[key], waveform, atol=1e-4), key
    said = capsys.readouterr().out
    if options:
        assert "audio written as files: 5 rows (asked for)" in said
    elif FORMATS[name][0] == "huggingface":
        assert "audio written as files: 5 rows (the format has all audio in its folder)" in said
    else:
        assert "audio written as files: 2 rows (a part of the bytes of a file)" in said
    assert not [path for path in (tmp_path / "exported").rglob("*") if path.name.startswith(".")]


@EVERY
def test_a_folder_with_something_in_it_is_not_touched(
    name: str, whole: Manifest, tmp_path: Path, fails: Callable[..., str]
) -> None:
    kind, arguments, *_ = FORMATS[name]
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "mine.txt").write_text("mine")
    out = ["--out", str(tmp_path / "exported")]
    assert "choose the name of a new folder" in fails(
        main, ["corpus", "export", kind, str(whole.path), *out, *arguments]
    )


@pytest.mark.parametrize("name", ["lhotse", "audiofolder", "parquet"])
def test_unreadable_audio_stops_an_export_that_opens_it_and_leaves_nothing(
    name: str, whole: Manifest, tmp_path: Path, fails: Callable[..., str]
) -> None:
    (whole.path.parent / "audio" / "1.wav").unlink()
    kind, arguments, *_ = FORMATS[name]
    before = sorted(tmp_path.iterdir())
    out = ["--out", str(tmp_path / "exported")]
    said = fails(main, ["corpus", "export", kind, str(whole.path), *out, *arguments])
    assert "row 2" in said
    assert sorted(tmp_path.iterdir()) == before
