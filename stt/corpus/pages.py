"""Tables in files that are mapped into memory, and going through their columns without keeping what was read."""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

PART = 500_000  # rows
_mappings: list[weakref.ref[mmap.mmap]] = []


def map_table(path: Path) -> pa.Table:
    """Map an Arrow file; what is read of it is shared with whoever maps it too, and takes no memory of its own."""
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _mappings.append(weakref.ref(mapping, _mappings.remove))
    return pa.ipc.open_file(pa.py_buffer(mapping)).read_all()


def parts(column: pa.ChunkedArray, rows: int = PART) -> Iterator[pa.Array]:
    """Give a column in parts of at most `rows` rows, in order.

    After each part the pages of mapped files are given back: they would count as this process's memory, and whoever
    needs them again finds them in the system's cache of files.
    """
    for chunk in column.chunks:
        for start in range(0, len(chunk), rows):
            yield chunk.slice(start, rows)
            for reference in _mappings:
                mapping = reference()
                if mapping is not None:
                    mapping.madvise(mmap.MADV_DONTNEED)
