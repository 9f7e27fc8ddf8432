"""Import a table: CSV, TSV, JSON Lines or Parquet."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from stt.audio.source import resolve_address
from stt.corpus.columns import COLUMNS, decode_dictionary
from stt.corpus.row import Row, domain_of
from stt.corpus.table import read_table
from stt.errors import InputError

log = logging.getLogger(__name__)


def rows(source: Path, *, columns: str = "", domain: str = "{domain}") -> Iterator[Row]:
    """Read a CSV, TSV, JSON Lines or Parquet file with the columns audio, text and domain.

    The columns id, duration, offset, byte_offset, byte_length, speaker and cer are read if present; a missing
    duration is taken from the audio file. Audio paths are relative to the table's folder, or absolute, or URLs such
    as s3://...; all other columns are kept.

    Args:
        source: the table.
        columns: mapping of column names, such as `audio=path,text=sentence`.
        domain: template over the table's columns, or a fixed name.
    """
    table = read_table(source)
    renamed = _mapping(columns)
    for column in ("audio", "text"):
        name = renamed.get(column, column)
        if name not in table.column_names:
            raise InputError(
                f"{source}: no column {name!r}; the table has {', '.join(table.column_names)} "
                f"(use a different one with --columns {column}=NAME)"
            )
    overridden = sorted(name for name in renamed if name in table.column_names)
    if overridden:
        log.warning("%s: column %s is dropped, because --columns replaces it", source, ", ".join(overridden))
    others = [name for name in table.column_names if name not in COLUMNS and name not in renamed.values()]
    line = 2 if source.suffix.lower() in (".csv", ".tsv") else 1
    for batch in table.to_batches(max_chunksize=10_000):
        kept = {name: decode_dictionary(batch.column(name)) for name in others}
        for i, cells in enumerate(batch.to_pylist()):
            # Arrow scalars, because Python has fewer types.
            yield _row(cells, renamed, domain, source, line, {name: column[i] for name, column in kept.items()})
            line += 1


def _row(
    cells: dict[str, object], renamed: dict[str, str], domain: str, source: Path, line: int, extra: dict[str, pa.Scalar]
) -> Row:
    where = f"{source.name}:{line}"
    fields = {**cells, **{column: cells.get(name) for column, name in renamed.items()}}
    numbers: dict[str, Any] = {}
    error = "" if fields.get("audio") else "the audio is missing"
    for name, kind in (
        ("duration", float),
        ("offset", float),
        ("cer", float),
        ("byte_offset", int),
        ("byte_length", int),
    ):
        value = fields.get(name)
        try:
            numbers[name] = None if value in (None, "") else kind(str(value))
        except ValueError:
            error = f"{name} is not {'an integer' if kind is int else 'a number'}: {value!r}"
    return Row(
        where,
        resolve_address(source.parent, str(fields.get("audio") or "")),
        str(fields.get("text") or ""),
        domain_of(domain, fields, where),
        id=_text(fields.get("id")),
        speaker=_text(fields.get("speaker")),
        error=error,
        extra=extra,
        **numbers,
    )


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _mapping(columns: str) -> dict[str, str]:
    pairs = [pair.split("=", 1) for pair in columns.split(",") if pair]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"--columns must look like audio=NAME,text=NAME,..., not {columns!r}")
    return {column.strip(): name.strip() for column, name in pairs}
