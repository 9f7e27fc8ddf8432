"""Reading tables: Parquet, CSV, TSV and JSON Lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from stt.corpus.columns import check_names, concat_tables, decode_dictionary, extra_columns
from stt.corpus.delimited import read_delimited
from stt.corpus.json_lines import read_json_lines
from stt.corpus.record import Record, column_values
from stt.errors import InputError, reason

DELIMITED = frozenset({".csv", ".tsv"})
JSON_LINES = frozenset({".jsonl", ".json"})
EXTENSIONS = (".parquet", ".csv", ".tsv", ".jsonl", ".json")
CHUNK_ROWS = 100_000  # held as Python objects at once
BATCH_ROWS = 10_000


def read_table(path: Path) -> pa.Table:
    """Read a manifest in Parquet, CSV, TSV or JSON Lines, by the file's extension.

    Raises:
        InputError: the extension is unknown, the file or a row is not in its format, two columns have the same name, or
            a value of JSON has another type than its column in a manifest.
    """
    _check_file(path)
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    has_types = path.suffix.lower() in JSON_LINES
    columns, records = ([], read_json_lines(path)) if has_types else read_delimited(path)
    tables = []
    while chunk := list(islice(records, CHUNK_ROWS)):
        for record in chunk:
            if error := record.error or (has_types and column_values(record.cells)[1]):
                raise InputError(f"{path}:{record.line}: {error}")
        tables.append(extra_columns([record.cells for record in chunk]))
    if not tables:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    return concat_tables(tables)[0]


def read_records(path: Path) -> tuple[list[str], Iterator[Record]]:
    """Read a table as the names of its columns and its rows, where invalid rows tell their errors.

    Values of CSV and TSV are strings, so that 007 and "null" stay what they are; those of Parquet are Arrow scalars,
    because Python has fewer types.

    Raises:
        InputError: the extension is unknown, the file is not in its format, or two columns have the same name.
    """
    _check_file(path)
    if path.suffix.lower() in DELIMITED:
        return read_delimited(path)
    if path.suffix.lower() in JSON_LINES:
        # Any row may have other keys, so all of them are read to know the columns.
        keys = dict.fromkeys(key for record in read_json_lines(path) for key in record.cells)
        return list(keys), read_json_lines(path)
    table = _read_parquet(path)
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: not a readable table ({reason(error)})") from error
    return table.column_names, _arrow_records(table)


def _arrow_records(table: pa.Table) -> Iterator[Record]:
    line = 0
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        columns = {name: decode_dictionary(batch.column(name)) for name in table.column_names}
        for i in range(len(batch)):
            line += 1
            yield Record(line, {name: column[i] for name, column in columns.items()})


def _read_parquet(path: Path) -> pa.Table:
    try:
        with pa.OSFile(os.fsencode(path)) as file:  # as bytes, because not all file names are UTF-8
            table = pyarrow.parquet.read_table(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable table ({reason(error)})") from error
    check_names(table.column_names, path)
    return table


def _check_file(path: Path) -> None:
    if path.suffix.lower() not in EXTENSIONS:
        raise InputError(f"{path}: the extension of a table must be one of {', '.join(EXTENSIONS)}")
    if not path.is_file():
        raise InputError(f"{path}: file not found")
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty")
