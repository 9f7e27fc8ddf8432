"""Cache of long Parquet manifests as memory-mapped Arrow files, whose pages ranks and workers share."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from stt.cache import cached
from stt.corpus.columns import cast_columns, check_rows, decode_dictionary
from stt.corpus.memory_map import CHUNK_ROWS, map_table
from stt.corpus.table import read_table
from stt.files import file_hash

MIN_MAPPED_ROWS = 1_000_000  # shorter manifests are read within a second and need little memory
VERSION = 1  # of the file's contents


def load_table(path: Path) -> pa.Table:
    """Read a manifest, cast its columns and check every row; a long manifest is memory-mapped.

    Raises:
        InputError: the file is not a manifest, or a row is invalid.
    """
    if path.suffix.lower() != ".parquet" or _rows(path) < MIN_MAPPED_ROWS:
        return _in_memory(path)
    name = f"manifest-{VERSION}-{file_hash(path)[:32]}.arrow"
    return cached(name, map_table, lambda out: _convert(path, out), lambda: _in_memory(path))


def _rows(path: Path) -> int:
    try:
        with pa.OSFile(os.fsencode(path)) as file:  # as bytes, because not all file names are UTF-8
            return int(pyarrow.parquet.read_metadata(file).num_rows)
    except (pa.ArrowInvalid, OSError):
        return 0  # reading the file will raise a clear error


def _in_memory(path: Path) -> pa.Table:
    table = cast_columns(read_table(path), path)
    check_rows(table, path)
    return table


def _convert(source: Path, out: Path) -> None:
    """Convert a Parquet manifest to an Arrow file, chunk by chunk."""
    with pa.OSFile(os.fsencode(source)) as opened, pyarrow.parquet.ParquetFile(opened) as file:
        schema = cast_columns(file.schema_arrow.empty_table(), source).schema
        names = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        values = {name: _values(file, name) for name in names if name in file.schema_arrow.names}
        first = 1
        with pa.ipc.new_file(str(out), schema) as writer:
            for batch in file.iter_batches(CHUNK_ROWS):
                table = cast_columns(pa.Table.from_batches([batch]), source, first)
                check_rows(table, source, first)
                first += len(table)
                # An Arrow file has one dictionary for all chunks of a column.
                for name, dictionary in values.items():
                    index = schema.get_field_index(name)
                    table = table.set_column(
                        index, schema.field(index), _encode(table[name], dictionary, schema.types[index])
                    )
                writer.write_table(table)


def _values(file: pyarrow.parquet.ParquetFile, name: str) -> pa.Array:
    """Return the distinct values of a column."""
    values: pa.Array | None = None
    for batch in file.iter_batches(CHUNK_ROWS, columns=[name]):
        plain = decode_dictionary(batch.column(0)).drop_null()
        values = pc.unique(plain if values is None else pa.concat_arrays([values, plain]))
    assert values is not None
    return values


def _encode(column: pa.ChunkedArray, values: pa.Array, kind: pa.DictionaryType) -> pa.ChunkedArray:
    plain = [decode_dictionary(chunk).cast(kind.value_type) for chunk in column.chunks]
    indices = [pc.index_in(chunk, values.cast(kind.value_type)).cast(kind.index_type) for chunk in plain]
    return pa.chunked_array([pa.DictionaryArray.from_arrays(part, values.cast(kind.value_type)) for part in indices])
