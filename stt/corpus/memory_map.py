"""Memory-mapped tables, and iteration over their columns without keeping the pages in memory."""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

CHUNK_ROWS = 500_000  # rows
_mappings: list[weakref.ref[mmap.mmap]] = []


def map_table(path: Path) -> pa.Table:
    """Memory-map an Arrow file; its pages are shared between all processes that map it."""
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _mappings.append(weakref.ref(mapping, _mappings.remove))
    return pa.ipc.open_file(pa.py_buffer(mapping)).read_all()


def iter_chunks(column: pa.ChunkedArray, rows: int = CHUNK_ROWS) -> Iterator[pa.Array]:
    """Iterate over a column in chunks of at most `rows` rows, releasing the pages of each."""
    for chunk in column.chunks:
        for start in range(0, len(chunk), rows):
            yield chunk.slice(start, rows)
            _release_pages()


def iter_tables(table: pa.Table, rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
    """Iterate over a table in slices of at most `rows` rows, releasing the pages of each."""
    for start in range(0, len(table), rows):
        yield table.slice(start, rows)
        _release_pages()


def filter_rows(table: pa.Table, mask: npt.NDArray[np.bool_]) -> pa.Table:
    """Copy the rows where `mask` (row,) is true into memory, releasing the pages that they were read from."""
    filtered = []
    for start in range(0, len(table), CHUNK_ROWS):
        filtered.append(table.slice(start, CHUNK_ROWS).filter(pa.array(mask[start : start + CHUNK_ROWS])))
        _release_pages()
    return pa.concat_tables(filtered)


def _release_pages() -> None:
    """Release the resident pages of mapped files.

    They would count as memory of this process; when needed again they come from the operating system's page cache.
    """
    for reference in _mappings:
        mapping = reference()
        if mapping is not None:
            mapping.madvise(mmap.MADV_DONTNEED)
