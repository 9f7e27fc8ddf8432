"""Import a table: CSV, TSV, JSON Lines or Parquet."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterator
from pathlib import Path

from stt.corpus.columns import COLUMNS
from stt.corpus.record import to_row
from stt.corpus.row import Row
from stt.corpus.table import read_records
from stt.errors import InputError

log = logging.getLogger(__name__)


def rows(source: Path, *, columns: str = "", domain: str = "{domain}") -> Iterator[Row]:
    """Read a CSV, TSV, JSON Lines or Parquet file with the columns audio, text and domain.

    The columns id, duration, offset, byte_offset, byte_length, speaker and cer are read if present; a missing
    duration is taken from the audio file. Audio paths are relative to the table's folder, or absolute, or URLs such
    as s3://...; all other columns are kept.

    Args:
        source: the table, in UTF-8; TSV has no quoting, and in CSV a row is one line.
        columns: mapping of column names, such as `audio=path,text=sentence`.
        domain: template over the table's columns, such as `{region}_{gender}`, or a fixed name.
    """
    names, records = read_records(source)
    renamed = _mapping(columns)
    for column in ("audio", "text"):
        name = renamed.get(column, column)
        if names and name not in names:  # without any readable row there are none, and the rows say why
            raise InputError(
                f"{source}: no column {name!r}; the table has {textwrap.shorten(', '.join(names) or 'none', 500)} "
                f"(use a different one with --columns {column}=NAME)"
            )
    overridden = sorted(name for name in renamed if name in names)
    if overridden:
        log.warning("%s: column %s is dropped, because --columns replaces it", source, ", ".join(overridden))
    defaults = dict.fromkeys(names)
    for record in records:
        yield to_row(record, source, renamed, domain, defaults)


def _mapping(columns: str) -> dict[str, str]:
    pairs = [pair.split("=", 1) for pair in columns.split(",") if pair]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"--columns must look like audio=NAME,text=NAME,..., not {columns!r}")
    mapping = {column.strip(): name.strip() for column, name in pairs}
    unknown = sorted(mapping.keys() - COLUMNS.keys())
    if unknown:
        raise InputError(f"--columns cannot set {', '.join(unknown)}, only {', '.join(COLUMNS)}")
    return mapping
