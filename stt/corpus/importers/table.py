"""Import a table: CSV, TSV, JSON Lines or Parquet."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from stt.audio.source import resolve_address
from stt.corpus.columns import COLUMNS, decoded
from stt.corpus.row import Row, domain_of
from stt.corpus.table import read_table
from stt.errors import InputError

log = logging.getLogger(__name__)


def rows(source: Path, *, columns: str = "", domain: str = "{domain}") -> Iterator[Row]:
    """Read a CSV, TSV, JSON Lines or Parquet file with the columns audio, text and domain.

    The columns id, duration, offset, byte_offset, byte_length, speaker and cer are read where they are there; a missing
    duration comes from the audio file. Audio paths are relative to the table's folder, or absolute, or addresses such
    as s3://...; all other columns are kept.

    Args:
        source: the table.
        columns: other column names, as `audio=path,text=sentence`.
        domain: template over the table's columns, or a plain name for all.
    """
    table = read_table(source)
    renamed = _mapping(columns)
    for wanted in ("audio", "text"):
        name = renamed.get(wanted, wanted)
        if name not in table.column_names:
            raise InputError(
                f"{source}: there is no column {name!r}; there are {', '.join(table.column_names)} "
                f"(name another with --columns {wanted}=NAME)"
            )
    hidden = sorted(name for name in renamed if name in table.column_names)
    if hidden:
        log.warning("%s: its own %s is not kept, because --columns takes it from elsewhere", source, ", ".join(hidden))
    others = [name for name in table.column_names if name not in COLUMNS and name not in renamed.values()]
    line = 2 if source.suffix.lower() in (".csv", ".tsv") else 1
    for batch in table.to_batches(max_chunksize=10_000):
        kept = {name: decoded(batch.column(name)) for name in others}
        for i, cells in enumerate(batch.to_pylist()):
            # Arrow's own values, because those of Python have fewer types.
            yield _row(cells, renamed, domain, source, line, {name: column[i] for name, column in kept.items()})
            line += 1


def _row(
    cells: dict[str, object], renamed: dict[str, str], domain: str, source: Path, line: int, extra: dict[str, pa.Scalar]
) -> Row:
    where = f"{source.name}:{line}"
    fields = {**cells, **{wanted: cells.get(name) for wanted, name in renamed.items()}}
    numbers: dict[str, Any] = {}
    fault = "" if fields.get("audio") else "no audio is named"
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
            fault = f"{name} is not a {'whole ' if kind is int else ''}number: {value!r}"
    return Row(
        where,
        resolve_address(source.parent, str(fields.get("audio") or "")),
        str(fields.get("text") or ""),
        domain_of(domain, fields, where),
        id=_text(fields.get("id")),
        speaker=_text(fields.get("speaker")),
        fault=fault,
        extra=extra,
        **numbers,
    )


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _mapping(columns: str) -> dict[str, str]:
    pairs = [pair.split("=", 1) for pair in columns.split(",") if pair]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"--columns takes audio=NAME,text=NAME,..., not {columns!r}")
    return {wanted.strip(): name.strip() for wanted, name in pairs}
