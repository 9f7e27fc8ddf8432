"""Rows of CSV and TSV files, one a line, so that a stray quotation mark costs its own row only."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from stt.corpus.columns import check_names
from stt.corpus.lines import MAX_LINE_BYTES, Line, read_lines
from stt.corpus.record import Record
from stt.errors import InputError

csv.field_size_limit(MAX_LINE_BYTES)  # the default of 128 kB would refuse shorter lines


def read_delimited(path: Path, header: Sequence[str] = ()) -> tuple[list[str], Iterator[Record]]:
    """Read a CSV file (.csv) or a TSV file (any other extension) as its columns and its rows.

    The first line names the columns, unless `header` does. In CSV it may separate them by semicolons instead of commas,
    as spreadsheets write them where the comma is the decimal sign.

    TSV has no quoting, as the tools that write it. In CSV a quoted field must end on its line: where one does not, it
    cannot be told from a stray quotation mark, so the line is an error and the next line is a row again.

    Raises:
        InputError: the file is missing, empty, in another encoding, or its header is invalid.
    """
    delimiter = "," if path.suffix.lower() == ".csv" else "\t"
    split = partial(_split, delimiter=delimiter)
    lines = read_lines(path)
    if header:
        return list(header), (_record(line.number, header, *split(line)) for line in lines)
    first = next(lines, None)
    if first is None:
        raise InputError(f"{path}: the file is empty")
    if delimiter == "," and ";" in first.text and "," not in first.text:
        split = partial(_split, delimiter=";")
    columns, error = split(first)
    if error:
        raise InputError(f"{path}:{first.number}: {error}")
    check_names(columns, path)
    return columns, (_record(line.number, columns, *split(line)) for line in lines)


def _record(number: int, columns: Sequence[str], fields: list[str], error: str) -> Record:
    if not error and len(fields) != len(columns):
        error = f"the line has {len(fields)} fields instead of {len(columns)}"
    return Record(number, {} if error else dict(zip(columns, fields, strict=True)), error)


def _split(line: Line, delimiter: str) -> tuple[list[str], str]:
    """Return the fields of a line, or an error."""
    if line.error or "\r" in line.text:
        return [], line.error or "a carriage return in the line; lines end with a line feed"
    if delimiter == "\t":
        return line.text.split(delimiter), ""
    try:
        return next(csv.reader([line.text], delimiter=delimiter, strict=True)), ""
    except csv.Error as invalid:
        if "unexpected end of data" in str(invalid):
            return [], "a quoted field does not end on its line (a stray quotation mark, or a line break in a field)"
        return [], f"not CSV ({invalid})"
