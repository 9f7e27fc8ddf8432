"""The columns of a manifest: which it must have, what they hold, and what is made of tables that differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stt.errors import InputError

COLUMNS: dict[str, pa.DataType] = {
    "id": pa.large_string(),  # what an utterance is known by; no two rows have the same
    "audio": pa.large_string(),  # path, relative to the manifest's folder or absolute, or an address such as s3://...
    "text": pa.large_string(),
    "duration": pa.float32(),  # seconds
    "domain": pa.dictionary(pa.int32(), pa.string()),
    "offset": pa.float64(),  # seconds into the audio
    "byte_offset": pa.int64(),  # where the audio begins in the file, bytes; null where it is the whole file
    "byte_length": pa.int64(),  # of the audio in the file
    "speaker": pa.dictionary(pa.int32(), pa.string()),
    "cer": pa.float32(),  # quality known beforehand, 0..1; NaN where unknown
}
REQUIRED = ("audio", "text", "duration", "domain")


def typed(table: pa.Table, path: Path) -> pa.Table:
    """Give a table the columns of a manifest, with their types; those that no one knows follow as they are.

    Raises:
        InputError: a column is missing, or does not hold what it must.
    """
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path}: the column {', '.join(missing)} is missing; there are {', '.join(table.column_names)}"
        )
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
            what = str(error).splitlines()[0]
            raise InputError(f"{path}: the column {name} does not hold {_what(kind)} ({what})") from error
    others = {name: table[name] for name in table.column_names if name not in COLUMNS}
    return pa.table(columns | others, metadata=table.schema.metadata).unify_dictionaries()


def check_rows(table: pa.Table, path: Path, first: int = 1) -> None:
    """Check every row of a typed table, whose first one has the number `first` in its file.

    Raises:
        InputError: a row has no audio, domain or positive duration, a `cer` outside 0..1, or no right offsets.
    """
    for fault, wrong in _faults(table).items():
        rows = np.flatnonzero(wrong)
        if len(rows):
            more = f" and {len(rows) - 1} more rows" if len(rows) > 1 else ""
            raise InputError(f"{path}: {fault} in row {rows[0] + first}{more}")


def extra_columns(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Make columns of fields that not every row has; a field whose values have no common type becomes a text."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _array([row.get(name) for row in rows]) for name in names})


def joined(tables: Sequence[pa.Table]) -> tuple[pa.Table, list[str]]:
    """Put tables below each other, and name the columns that had to become texts.

    What a table lacks is null there; numbers take the wider type. Where types have nothing in common, the column
    becomes texts.
    """
    names = dict.fromkeys(name for table in tables for name in table.column_names)
    as_texts = [
        name for name in names if not _unify({t.schema.field(name).type for t in tables if name in t.schema.names})
    ]
    tables_of_one_kind = []
    for table in tables:
        for i, name in enumerate(table.column_names):
            if name in as_texts:
                table = table.set_column(i, name, _texts(table[name]))
            elif name not in COLUMNS and pa.types.is_dictionary(table[name].type) and not _all_same(name, tables):
                table = table.set_column(i, name, pc.cast(table[name], table[name].type.value_type))
        tables_of_one_kind.append(table)
    return pa.concat_tables(tables_of_one_kind, promote_options="permissive").unify_dictionaries(), as_texts


def decoded(column: pa.Array) -> pa.Array:
    """Give a column's values themselves, where they are stored in a dictionary."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _unify(kinds: Iterable[pa.DataType]) -> bool:
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    try:
        pa.unify_schemas([pa.schema([("x", kind)]) for kind in plain], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def _all_same(name: str, tables: Sequence[pa.Table]) -> bool:
    return len({table.schema.field(name).type for table in tables if name in table.schema.names}) == 1


def _array(values: list[Any]) -> pa.Array:
    kinds = {value.type for value in values if isinstance(value, pa.Scalar)}
    values = [value.as_py() if isinstance(value, pa.Scalar) else value for value in values]
    try:
        return pa.array(values, kinds.pop() if len(kinds) == 1 else None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array(list(map(_text, values)), pa.string())


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array(
        [pa.array(list(map(_text, chunk.to_pylist())), pa.string()) for chunk in column.chunks], pa.string()
    )


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _what(kind: pa.DataType) -> str:
    return "whole numbers" if pa.types.is_integer(kind) else "numbers" if pa.types.is_floating(kind) else "texts"


def _faults(table: pa.Table) -> dict[str, npt.NDArray[np.bool_]]:
    def empty(name: str) -> npt.NDArray[np.bool_]:
        plain = pc.cast(table[name], pa.large_string())
        return np.asarray(pc.fill_null(pc.equal(plain, ""), True).to_numpy(), dtype=np.bool_)

    def numbers(name: str) -> npt.NDArray[np.float64]:
        return np.asarray(table[name].to_numpy(), dtype=np.float64)

    duration, offset, cer = numbers("duration"), numbers("offset"), numbers("cer")
    byte_offset, byte_length = numbers("byte_offset"), numbers("byte_length")
    return {
        "no audio": empty("audio"),
        "no domain": empty("domain"),
        "a duration that is not a positive number of seconds": ~((duration > 0) & np.isfinite(duration)),
        "a negative offset": offset < 0,
        "a cer outside 0..1": (cer < 0) | (cer > 1),
        "a byte_offset without a byte_length, or the other way round,": np.isnan(byte_offset) != np.isnan(byte_length),
        "a negative byte_offset": byte_offset < 0,
        "a byte_length that is not positive": byte_length <= 0,
    }
