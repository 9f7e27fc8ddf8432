"""Import Mozilla Common Voice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stt.corpus.delimited import read_delimited
from stt.corpus.record import to_row
from stt.corpus.row import Row
from stt.errors import InputError

RENAMED = {"accent": "accents"}  # names that older versions have
MILLISECONDS = "duration[ms]"


def rows(source: Path, *, split: str = "train", domain: str = "common_voice") -> Iterator[Row]:
    """Read `SPLIT.tsv` and `clips/` of a language, of any version; columns are found by their names.

    The client becomes the speaker, the clip's name the id; all other columns are kept, `accent` of older versions as
    `accents`. Durations of `clip_durations.tsv` are compared with the audio's, if the file is there.

    Args:
        source: the folder of the language, such as cv-corpus-25.0-2026-03-11/ru, or one of its TSV files.
        split: name of the TSV file to read: train, dev, test, validated, invalidated, other.
        domain: template over the columns, such as `{gender}` or `{accents}`, or a fixed name.
    """
    table = source if source.suffix == ".tsv" else source / f"{split}.tsv"
    columns, records = read_delimited(table)
    columns = [RENAMED.get(name, name) for name in columns]
    for column in ("path", "sentence"):
        if column not in columns:
            raise InputError(f"{table}: no column {column!r}, which the clips of Common Voice have")
    bad: list[Row] = []
    durations = _durations(table.with_name("clip_durations.tsv"), bad)
    yield from bad
    renamed = {"audio": "path", "text": "sentence", "speaker": "client_id"}
    defaults = dict.fromkeys(columns)
    for record in records:
        cells = {RENAMED.get(name, name): cell for name, cell in record.cells.items()}
        clip = cells.get("path", "")
        cells |= {"path": f"clips/{clip}" if clip else "", "duration": durations.get(clip)}
        row = to_row(record._replace(cells=cells), table, renamed, domain, defaults)
        yield replace(row, id=clip.rpartition(".")[0] or clip or None)


def _durations(path: Path, bad: list[Row]) -> dict[str, float]:
    """Read the duration of every clip, seconds, if the file exists, and append its bad lines to `bad`."""
    if not path.is_file():
        return {}
    columns, records = read_delimited(path)
    name = next((name for name in ("clip", "filename") if name in columns), "")
    if not name or MILLISECONDS not in columns:
        raise InputError(f"{path}: the columns must be clip (or filename) and {MILLISECONDS}, not {', '.join(columns)}")
    durations = {}
    for record in records:
        error = record.error
        try:
            if not error:
                durations[record.cells[name]] = float(record.cells[MILLISECONDS]) / 1000
        except ValueError:
            error = f"{MILLISECONDS} is not a number: {record.cells[MILLISECONDS]!r:.100}"
        if error:
            bad.append(Row(f"{path.name}:{record.line}", "", "", "", error=error))
    return durations
