"""What an utterance is known by: its id, and hashes that stand for ids and texts in arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stt.corpus.pages import parts

Hashes = npt.NDArray[np.uint64]
ROWS = 20_000  # hashed side by side: so many that what is worked on stays in the processor's cache
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio, as in splitmix64


def with_ids(table: pa.Table) -> pa.Table:
    """Give every row of a typed table that has no id one that follows from where its audio is.

    It is a hash of the audio's name, offset, span of bytes and duration, and of how many rows before it have the
    same: whoever reads the same rows makes the same ids, and the text has no part in it.
    """
    given = table["id"]
    missing = pc.fill_null(pc.equal(given, ""), True)
    if not pc.any(missing).as_py():
        return table
    ids = pc.if_else(missing, _hexadecimal(_places(table)), given)
    return table.set_column(table.column_names.index("id"), "id", ids)


def hashes(column: pa.ChunkedArray) -> Hashes:
    """Hash each text of a column (row,), 64 bits, the same everywhere; null counts as empty.

    Sixteen million texts take seconds, where a hash of Python's takes half a minute.
    """
    return np.concatenate([np.zeros(0, np.uint64), *(_hashed(some) for part in parts(column) for some in _cut(part))])


def first_repeated(keys: npt.NDArray[np.int64]) -> tuple[int, int] | None:
    """Find the first row whose key another row before it has; gives that one and it, None where all differ."""
    in_order = np.sort(keys)
    if not (in_order[1:] == in_order[:-1]).any():
        return None
    order = np.argsort(keys, kind="stable")
    again = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    second = int(order[again + 1].min())
    return int(np.flatnonzero(keys == keys[second])[0]), second


def _places(table: pa.Table) -> Hashes:
    """Hash of where each row's audio is (row,)."""
    places = hashes(table["audio"])
    for name in ("offset", "byte_offset", "byte_length", "duration"):
        plain = pc.fill_null(table[name], 0).to_numpy()
        places = _mixed(places, np.ascontiguousarray(plain, np.float64).view(np.uint64))
    order = np.argsort(places, kind="stable")
    new = np.concatenate([[True], places[order][1:] != places[order][:-1]])
    starts = np.flatnonzero(new)
    before = np.arange(len(order)) - starts[np.cumsum(new) - 1]  # rows before it that have the same
    again = order[before > 0]
    places[again] = _mixed(places[again], before[before > 0].astype(np.uint64))
    return places


def _hexadecimal(numbers: Hashes) -> pa.Array:
    """Sixteen digits of each number (row,)."""
    digits = numbers.astype(">u8").tobytes().hex().encode()
    edges = np.arange(len(numbers) + 1, dtype=np.int64) * 16
    return pa.LargeStringArray.from_buffers(len(numbers), pa.py_buffer(edges), pa.py_buffer(digits))


def _cut(part: pa.Array) -> Iterator[pa.Array]:
    for start in range(0, len(part), ROWS):
        yield part.slice(start, ROWS)


def _hashed(texts: pa.Array) -> Hashes:
    """Hash texts eight bytes at a time, all of them side by side."""
    if pa.types.is_dictionary(texts.type):
        known = np.append(_hashed(texts.dictionary), _hashed(pa.array([""])))
        return np.asarray(known[pc.fill_null(texts.indices, len(texts.dictionary)).to_numpy()], dtype=np.uint64)
    plain = pc.fill_null(pc.cast(texts, pa.large_string()), "")
    edges = np.frombuffer(plain.buffers()[1], np.int64, len(plain) + 1, 8 * plain.offset)
    data = np.frombuffer(plain.buffers()[2] or b"", np.uint8)[edges[0] : edges[-1]]
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    words: Hashes = np.ndarray(len(data) + 1, "<u8", padded, strides=(1,))  # one that begins at every byte
    starts, lengths = edges[:-1] - edges[0], np.diff(edges)
    # Longest first: then the texts that have a k-th word are always the first ones.
    order = np.argsort(-(lengths // 8), kind="stable")
    starts, lengths = starts[order], lengths[order]
    full, rest = lengths // 8, (lengths % 8).astype(np.uint64)
    found = _mixed(np.zeros(len(plain), np.uint64), lengths.astype(np.uint64))
    for k in range(int(full[0]) if len(full) else 0):
        there = np.count_nonzero(full > k)
        found[:there] = _mixed(found[:there], words[starts[:there] + 8 * k])
    last = words[starts + 8 * full] & ((np.uint64(1) << (np.uint64(8) * rest)) - np.uint64(1))
    hashed = np.empty_like(found)
    hashed[order] = np.where(rest > 0, _mixed(found, last), found)
    return hashed


def _mixed(found: Hashes, more: Hashes) -> Hashes:
    """Mix more bits into hashes; which bits are in does not show from which others are."""
    mixed = (found ^ more) * _FACTOR
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(27)), dtype=np.uint64)
