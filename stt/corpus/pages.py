"""Tables in files that are mapped into memory, and going through their columns without keeping what was read."""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
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
    """Give a column in parts of at most `rows` rows, in order, and give back the pages of each."""
    for chunk in column.chunks:
        for start in range(0, len(chunk), rows):
            yield chunk.slice(start, rows)
            _give_back()


def rows_of(table: pa.Table, mask: npt.NDArray[np.bool_]) -> pa.Table:
    """Take the rows where `mask` (row,) is true into memory, and give back the pages that they were read from."""
    taken = []
    for start in range(0, len(table), PART):
        taken.append(table.slice(start, PART).filter(pa.array(mask[start : start + PART])))
        _give_back()
    return pa.concat_tables(taken)


def _give_back() -> None:
    """Let go of what was read of mapped files.

    It would count as this process's memory, and whoever needs it again finds it in the system's cache of files.
    """
    for reference in _mappings:
        mapping = reference()
        if mapping is not None:
            mapping.madvise(mmap.MADV_DONTNEED)
