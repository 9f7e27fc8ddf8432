"""The columns of a manifest: their types, checks of their values, and concatenation of tables that differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stt.errors import InputError
from stt.runs.metric_names import GROUPS

COLUMNS: dict[str, pa.DataType] = {
    "id": pa.large_string(),  # unique per row
    "audio": pa.large_string(),  # path, relative to the manifest's folder or absolute, or a URL such as s3://...
    "text": pa.large_string(),
    "duration": pa.float32(),  # seconds
    "domain": pa.dictionary(pa.int32(), pa.string()),
    "offset": pa.float64(),  # seconds into the audio
    "byte_offset": pa.int64(),  # start of the audio in the file, bytes; null for the whole file
    "byte_length": pa.int64(),  # length of the audio in the file, bytes
    "speaker": pa.dictionary(pa.int32(), pa.string()),
    "cer": pa.float32(),  # previously measured, 0..1; NaN if unknown
}
MAX_COLUMNS = 1_000  # each costs time and memory in every row group
NOT_PYTHON = (ValueError, OverflowError, LookupError)  # raised by Arrow for values that Python has no type for
REQUIRED = ("audio", "text", "duration", "domain")


def cast_columns(table: pa.Table, path: Path, first: int = 1) -> pa.Table:
    """Cast the columns of a manifest to their types, adding missing optional ones; other columns are kept unchanged.

    `first` is the number of the table's first row in the file.

    Raises:
        InputError: a required column is missing, or a column has values of the wrong type.
    """
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise InputError(f"{path}: missing column {', '.join(missing)}; the table has {', '.join(table.column_names)}")
    columns = {}
    for name, kind in COLUMNS.items():
        if name not in table.column_names:
            columns[name] = pa.nulls(table.num_rows, kind)
            continue
        column = table[name]
        try:
            if pa.types.is_primitive(kind) and _is_text(column.type):
                column = pc.if_else(pc.equal(column, ""), None, column)
            columns[name] = pc.cast(column, kind)
            if name == "text":
                columns[name] = pc.fill_null(columns[name], "")
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            row = _first_failure(column, kind)
            details = ("" if row is None else f"row {first + row}: ") + str(error).splitlines()[0]
            raise InputError(f"{path}: column {name} must contain {_type_name(kind)} ({details})") from error
    others = {name: table[name] for name in table.column_names if name not in COLUMNS}
    return pa.table(columns | others, metadata=table.schema.metadata).unify_dictionaries()


def check_rows(table: pa.Table, path: Path, first: int = 1) -> None:
    """Check every row of a table with cast columns; `first` is the number of its first row in the file.

    Raises:
        InputError: a row has no audio, domain or positive duration, a `cer` outside 0..1, or invalid offsets.
    """
    for error, mask in _row_errors(table).items():
        rows = np.flatnonzero(mask)
        if len(rows):
            more = f" and {len(rows) - 1} more rows" if len(rows) > 1 else ""
            raise InputError(f"{path}: {error} in row {rows[0] + first}{more}")


def check_names(names: Sequence[str], location: Path | str) -> None:
    """Check that the columns of a table differ and are not so many that they must be something else.

    Raises:
        InputError: two have the same name, or there are more than `MAX_COLUMNS`.
    """
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{location}: {len(names):,} columns, a table may have {MAX_COLUMNS:,}")
    duplicates = sorted(name for name, count in Counter(names).items() if count > 1)
    if duplicates:
        raise InputError(f"{location}: duplicate column {', '.join(duplicates)}")


def check_domains(domains: Iterable[str], location: Path | str) -> None:
    """Check that no metric of a domain has the name of another metric.

    Raises:
        InputError: a domain has a slash or the name of a group of domains.
    """
    for domain in domains:
        if error := domain_error(domain):
            raise InputError(f"{location}: {error}")


def domain_error(domain: str) -> str:
    """Say why a domain cannot have this name; empty if it can."""
    if "/" not in domain and domain not in GROUPS:
        return ""
    return (
        f"the domain {domain!r} must be renamed: metrics are named by domains, which therefore have no slash and are "
        f"not called {', '.join(sorted(GROUPS))}"
    )


def is_unicode(text: str) -> bool:
    """Whether a text can be stored; the names of files that are not UTF-8 have surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def extra_columns(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Build columns from fields that need not be in every row; values without a common type become strings."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _array([row.get(name) for row in rows]) for name in names})


def concat_tables(tables: Sequence[pa.Table]) -> tuple[pa.Table, list[str]]:
    """Concatenate tables with different columns, and return the names of columns that were converted to strings.

    Missing columns are filled with nulls; numbers are cast to the wider type. Columns whose types are incompatible
    become strings.
    """
    names = dict.fromkeys(name for table in tables for name in table.column_names)
    as_strings = [
        name for name in names if not _compatible({t.schema.field(name).type for t in tables if name in t.schema.names})
    ]
    compatible = []
    for table in tables:
        for i, name in enumerate(table.column_names):
            if name in as_strings:
                table = table.set_column(i, name, _to_strings(table[name]))
            elif name not in COLUMNS and pa.types.is_dictionary(table[name].type) and not _all_same(name, tables):
                table = table.set_column(i, name, pc.cast(table[name], table[name].type.value_type))
        compatible.append(table)
    return pa.concat_tables(compatible, promote_options="permissive").unify_dictionaries(), as_strings


def decode_dictionary(column: pa.Array) -> pa.Array:
    """Return a column with any dictionary encoding removed."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _compatible(kinds: Iterable[pa.DataType]) -> bool:
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    try:
        pa.unify_schemas([pa.schema([("x", kind)]) for kind in plain], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def _all_same(name: str, tables: Sequence[pa.Table]) -> bool:
    return len({table.schema.field(name).type for table in tables if name in table.schema.names}) == 1


def to_python(value: Any) -> Any:
    """Convert an Arrow scalar, as Parquet's cells are, to a Python value; leave other values as they are.

    What Python has no value for (nanoseconds, the year 10000, an unknown time zone) becomes a string.
    """
    if not isinstance(value, pa.Scalar):
        return value
    try:
        return value.as_py()
    except NOT_PYTHON:
        return pa.array([value], value.type).to_string(skip_new_lines=True)[1:-1]


def _array(values: list[Any]) -> pa.Array:
    kinds: set[pa.DataType] = set()
    if any(issubclass(kind, pa.Scalar) for kind in set(map(type, values))):
        kinds = {value.type for value in values if isinstance(value, pa.Scalar)}
        try:
            values = [value.as_py() if isinstance(value, pa.Scalar) else value for value in values]
        except NOT_PYTHON:
            values = [None if isinstance(value, pa.Scalar) and not value.is_valid else value for value in values]
    try:
        array = pa.array(values, kinds.pop() if len(kinds) == 1 else None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError):
        array = None
    if array is None or not _fits_parquet(array.type):
        return pa.array([_to_string(to_python(value)) for value in values], pa.string())
    return array


def _fits_parquet(kind: pa.DataType) -> bool:
    """Return whether Parquet has the type: structures without fields, as of the JSON object {}, it has not."""
    if pa.types.is_struct(kind) and not kind.num_fields:
        return False
    return all(_fits_parquet(kind.field(i).type) for i in range(kind.num_fields))


def _to_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array(
        [pa.array([_to_string(to_python(value)) for value in chunk], pa.string()) for chunk in column.chunks],
        pa.string(),
    )


def _to_string(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _first_failure(column: pa.ChunkedArray, kind: pa.DataType) -> int | None:
    """Return the first row that cannot be cast, in a column that cannot be; None if none of this type can."""
    fine, failing = -1, len(column)  # numbers of rows
    while failing - fine > 1:
        middle = (fine + failing) // 2
        try:
            pc.cast(column.slice(0, middle), kind)
            fine = middle
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            failing = middle
    return failing - 1 if failing else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _type_name(kind: pa.DataType) -> str:
    return "integers" if pa.types.is_integer(kind) else "numbers" if pa.types.is_floating(kind) else "strings"


def _row_errors(table: pa.Table) -> dict[str, npt.NDArray[np.bool_]]:
    """Return a mask of the affected rows (row,) for each kind of error."""

    def empty(name: str) -> npt.NDArray[np.bool_]:
        plain = pc.cast(table[name], pa.large_string())
        return np.asarray(pc.fill_null(pc.equal(plain, ""), True).to_numpy(), dtype=np.bool_)

    def given(name: str) -> npt.NDArray[np.bool_]:
        return np.asarray(pc.is_valid(table[name]).to_numpy(), dtype=np.bool_)

    def numbers(name: str) -> npt.NDArray[np.float64]:
        return np.asarray(table[name].to_numpy(), dtype=np.float64)

    duration, offset, cer = numbers("duration"), numbers("offset"), numbers("cer")
    byte_offset, byte_length = numbers("byte_offset"), numbers("byte_length")
    return {
        "no audio": empty("audio"),
        "no domain": empty("domain"),
        "duration that is not a positive number of seconds": ~((duration > 0) & np.isfinite(duration)),
        "offset that is not a number of seconds from 0 on": ~((offset >= 0) & np.isfinite(offset)) & given("offset"),
        "cer outside 0..1": (cer < 0) | (cer > 1),
        "byte_offset without byte_length or vice versa": np.isnan(byte_offset) != np.isnan(byte_length),
        "negative byte_offset": byte_offset < 0,
        "byte_length that is not positive": byte_length <= 0,
    }


def with_column(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return a table with a column in place of the one of this name, or after all others."""
    if name not in table.column_names:
        return table.append_column(name, values)
    return table.set_column(table.column_names.index(name), name, values)


def without_columns(table: pa.Table, *names: str) -> pa.Table:
    """Return a table without those of its columns that have these names."""
    return table.drop_columns([name for name in names if name in table.column_names])
