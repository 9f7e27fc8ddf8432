"""Reading what any system has recognized: tables, JSON Lines (NeMo's too) and Kaldi's `text`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stt.corpus.table import read_table
from stt.errors import InputError

UTTERANCE = ("audio", "audio_filepath", "utterance", "utterance_id", "id", "file", "path", "filename")
TEXT = ("hypothesis", "pred_text", "prediction", "text")  # where both are there, NeMo's `text` is the reference
TABLES = frozenset({".csv", ".tsv", ".parquet"})
LINES = frozenset({".jsonl", ".json"})


@dataclass(frozen=True)
class Recognition:
    """What a system made of an utterance."""

    where: str  # file and line, for messages
    utterance: str  # its file or its name
    offset: float | None  # seconds into the file
    text: str


def read_hypotheses(path: Path, utterance: str | None = None, text: str | None = None) -> Iterator[Recognition]:
    """Read a file by its ending: a table (csv, tsv, parquet), JSON Lines (jsonl, json), or anything else as Kaldi.

    Args:
        path: the file.
        utterance: column that names the audio; None takes the first of `UTTERANCE` that is there.
        text: column of what was recognized; None takes the first of `TEXT` that is there.

    Raises:
        InputError: the file is missing, is not what its ending says, or has no such column.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    ending = path.suffix.lower()
    rows = _table(path) if ending in TABLES else _json_lines(path) if ending in LINES else _kaldi(path)
    for where, row in rows:
        if "error" in row and row.get("text") is None:  # `train.py predict` names what it could not read
            continue
        named = _first(row, (utterance,) if utterance else UTTERANCE, where)
        offset = row.get("offset")
        try:
            seconds = None if offset in (None, "") else float(offset)
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: the offset is not a number: {offset!r}") from error
        yield Recognition(where, str(named), seconds, str(_first(row, (text,) if text else TEXT, where) or ""))


def _first(row: Mapping[str, Any], columns: tuple[str, ...], where: str) -> Any:
    for column in columns:
        if column in row:
            return row[column]
    raise InputError(f"{where}: there is none of {', '.join(columns)}; there are {', '.join(row)}")


def _table(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    line = 1 if path.suffix.lower() == ".parquet" else 2
    for batch in read_table(path).to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            yield f"{path}:{line}", row
            line += 1


def _json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{where}: not a line of JSON") from error
            if not isinstance(row, dict):
                raise InputError(f"{where}: not a JSON object")
            yield where, row


def _kaldi(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                utterance, *text = line.split(maxsplit=1)
                yield f"{path}:{number}", {"utterance": utterance, "text": "".join(text).strip()}
