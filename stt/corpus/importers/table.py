"""Import a table: CSV, TSV, JSON Lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.corpus.manifest import read_table
from stt.corpus.row import Row, domain_of
from stt.errors import InputError


def rows(source: Path, *, columns: str = "", domain: str = "{domain}") -> Iterator[Row]:
    """Read a CSV, TSV, JSON Lines or Parquet file with the columns audio, text and domain.

    The columns duration, offset, speaker and cer are read where they are there; a missing duration
    comes from the audio file. Audio paths are relative to the table's folder, or absolute.

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
    first_line = 2 if source.suffix.lower() in (".csv", ".tsv") else 1
    line = first_line
    for batch in table.to_batches(max_chunksize=10_000):
        for cells in batch.to_pylist():
            yield _row(cells, renamed, domain, source, line)
            line += 1


def _row(cells: dict[str, object], renamed: dict[str, str], domain: str, source: Path, line: int) -> Row:
    where = f"{source.name}:{line}"
    fields = {**cells, **{wanted: cells.get(name) for wanted, name in renamed.items()}}
    numbers, fault = {}, ""
    for name in ("duration", "offset", "cer"):
        value = fields.get(name)
        try:
            numbers[name] = None if value in (None, "") else float(str(value))
        except ValueError:
            numbers[name], fault = None, f"{name} is not a number: {value!r}"
    return Row(
        where,
        source.parent / str(fields.get("audio") or ""),
        str(fields.get("text") or ""),
        domain_of(domain, fields, where),
        speaker=str(fields["speaker"]) if fields.get("speaker") else None,
        duration=numbers["duration"],
        offset=numbers["offset"],
        cer=numbers["cer"],
        fault=fault or ("" if fields.get("audio") else "no audio is named"),
    )


def _mapping(columns: str) -> dict[str, str]:
    pairs = [pair.split("=", 1) for pair in columns.split(",") if pair]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"--columns takes audio=NAME,text=NAME,..., not {columns!r}")
    return {wanted.strip(): name.strip() for wanted, name in pairs}
