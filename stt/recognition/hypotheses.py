"""Readers for hypotheses of any system: tables, JSON Lines (including NeMo's) and Kaldi's `text`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stt.corpus.columns import to_python
from stt.corpus.json_lines import read_json_lines
from stt.corpus.lines import read_lines
from stt.corpus.table import EXTENSIONS, JSON_LINES, read_records
from stt.errors import InputError

UTTERANCE = ("audio", "audio_filepath", "utterance", "utterance_id", "id", "file", "path", "filename")
TEXT = ("hypothesis", "pred_text", "prediction", "text")  # in order of preference: NeMo's `text` is the reference


@dataclass(frozen=True)
class ExternalHypothesis:
    """An utterance recognized by any system."""

    location: str  # file and line, for messages
    utterance: str  # audio file or name
    offset: float | None  # seconds into the file
    text: str


def read_hypotheses(path: Path, utterance: str | None = None, text: str | None = None) -> Iterator[ExternalHypothesis]:
    """Read hypotheses; the extension selects a table (csv, tsv, parquet), JSON Lines (jsonl, json), or else Kaldi.

    Args:
        path: file to read.
        utterance: column that identifies the audio; None: the first of `UTTERANCE` that exists.
        text: column of the hypotheses; None: the first of `TEXT` that exists.

    Raises:
        InputError: the file is missing, does not match its extension, lacks a column, or contains
            no hypotheses.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    rows = _records(path) if path.suffix.lower() in EXTENSIONS else _kaldi(path)
    empty = True
    for location, row in rows:
        if "error" in row and row.get("text") is None:  # utterances that `train.py predict` could not read
            continue
        name = _first(row, (utterance,) if utterance else UTTERANCE, location)
        offset = row.get("offset")
        try:
            seconds = None if offset in (None, "") else float(offset)
        except (TypeError, ValueError, OverflowError):
            seconds = math.nan
        if seconds is not None and not math.isfinite(seconds):
            raise InputError(f"{location}: the offset is not a number: {offset!r}")
        recognized = _first(row, (text,) if text else TEXT, location)
        for value in (name, recognized):
            if isinstance(value, bool | bytes | list | dict):
                raise InputError(f"{location}: {value!r:.100} is not a text")
        empty = False
        yield ExternalHypothesis(location, str(name), seconds, "" if recognized is None else str(recognized))
    if empty:
        raise InputError(f"{path}: the file contains no hypotheses")


def _first(row: Mapping[str, Any], columns: tuple[str, ...], location: str) -> Any:
    for column in columns:
        if column in row:
            return row[column]
    raise InputError(f"{location}: no column {' or '.join(columns)}; it has {', '.join(row)}")


def _records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    records = read_json_lines(path) if path.suffix.lower() in JSON_LINES else read_records(path)[1]
    for record in records:
        location = f"{path}:{record.line}"
        if record.error:
            raise InputError(f"{location}: {record.error}")
        yield location, {name: to_python(value) for name, value in record.cells.items()}


def _kaldi(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for line in read_lines(path):
        location = f"{path}:{line.number}"
        if line.error:
            raise InputError(f"{location}: {line.error}")
        if line.text.strip():
            utterance, *text = line.text.split(maxsplit=1)
            yield location, {"utterance": utterance, "text": "".join(text).strip()}
