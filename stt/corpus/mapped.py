"""A long Parquet manifest as an Arrow file in the cache, mapped into memory: ranks and workers share its pages."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from stt.corpus.columns import check_rows, decoded, typed
from stt.corpus.pages import PART, map_table
from stt.corpus.table import read_table
from stt.files import cached

MAPPED_FROM = 1_000_000  # rows; shorter manifests are read in a second, and take little
VERSION = 1  # of what is in the file


def typed_table(path: Path) -> pa.Table:
    """Read a manifest with the types of its columns, every row checked; a long one is mapped.

    Raises:
        InputError: the file is not a manifest, or a row is not right.
    """
    if path.suffix.lower() != ".parquet" or _rows(path) < MAPPED_FROM:
        return _in_memory(path)
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    name = f"manifest-{VERSION}-{content[:32]}.arrow"
    return cached(name, map_table, lambda out: _convert(path, out), lambda: _in_memory(path))


def _rows(path: Path) -> int:
    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pa.ArrowInvalid, OSError):
        return 0  # reading it will say what is wrong


def _in_memory(path: Path) -> pa.Table:
    table = typed(read_table(path), path)
    check_rows(table, path)
    return table


def _convert(source: Path, out: Path) -> None:
    """Write a Parquet manifest as an Arrow file, part by part."""
    with pyarrow.parquet.ParquetFile(source) as file:
        schema = typed(file.schema_arrow.empty_table(), source).schema
        names = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        values = {name: _values(file, name) for name in names if name in file.schema_arrow.names}
        first = 1
        with pa.ipc.new_file(str(out), schema) as writer:
            for batch in file.iter_batches(PART):
                table = typed(pa.Table.from_batches([batch]), source)
                check_rows(table, source, first)
                first += len(table)
                # An Arrow file has one dictionary for all parts of a column.
                for name, known in values.items():
                    place = schema.get_field_index(name)
                    table = table.set_column(
                        place, schema.field(place), _encoded(table[name], known, schema.types[place])
                    )
                writer.write_table(table)


def _values(file: pyarrow.parquet.ParquetFile, name: str) -> pa.Array:
    """Every value of a column, once."""
    found: pa.Array | None = None
    for batch in file.iter_batches(PART, columns=[name]):
        plain = decoded(batch.column(0)).drop_null()
        found = pc.unique(plain if found is None else pa.concat_arrays([found, plain]))
    assert found is not None
    return found


def _encoded(column: pa.ChunkedArray, values: pa.Array, kind: pa.DictionaryType) -> pa.ChunkedArray:
    plain = [decoded(chunk).cast(kind.value_type) for chunk in column.chunks]
    indices = [pc.index_in(chunk, values.cast(kind.value_type)).cast(kind.index_type) for chunk in plain]
    return pa.chunked_array([pa.DictionaryArray.from_arrays(part, values.cast(kind.value_type)) for part in indices])
