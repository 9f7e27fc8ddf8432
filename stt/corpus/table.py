"""Reading tables: Parquet, CSV, TSV and JSON Lines."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from stt.errors import InputError


def read_table(path: Path) -> pa.Table:
    """Read Parquet, CSV, TSV or JSON Lines, by the file's extension.

    Raises:
        InputError: the extension is unknown, the file is not in its format, or two columns have the same name.
    """
    readers = {
        ".parquet": pyarrow.parquet.read_table,
        ".csv": lambda p: _read_csv(p, ","),
        ".tsv": lambda p: _read_csv(p, "\t"),
        ".jsonl": pyarrow.json.read_json,
        ".json": pyarrow.json.read_json,
    }
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: the extension of a table must be one of {', '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: file not found")
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty")
    try:
        table = readers[path.suffix.lower()](path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(f"{path}: not a readable table ({str(error).splitlines()[0]})") from error
    names = table.column_names
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise InputError(f"{path}: duplicate column {', '.join(duplicates)}")
    return table


def _read_csv(path: Path, delimiter: str) -> pa.Table:
    # Values such as 007 or "null" must stay strings; numbers are cast once the columns are known.
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline().rstrip("\r\n").split(delimiter)
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name.strip('"'): pa.string() for name in header}, strings_can_be_null=False
        ),
    )
