"""Utterance ids, and hashes that represent ids and texts in arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stt.corpus.columns import with_column
from stt.corpus.memory_map import iter_chunks

Hashes = npt.NDArray[np.uint64]
BLOCK_ROWS = 20_000  # hashed at once; small enough for the working set to fit the CPU cache
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio, as in splitmix64


def with_ids(table: pa.Table) -> pa.Table:
    """Assign an id to every row without one, derived from its audio reference.

    The id is a hash of the audio's name, offset, byte span and duration, and of the number of earlier rows with the
    same values. Reading the same rows therefore yields the same ids; they do not depend on the text.
    """
    existing = table["id"]
    missing = pc.fill_null(pc.equal(existing, ""), True)
    if not pc.any(missing).as_py():
        return table
    ids = pc.if_else(missing, _hexadecimal(_audio_hashes(table)), existing)
    return with_column(table, "id", ids)


def hashes(column: pa.ChunkedArray) -> Hashes:
    """Hash each string of a column (row,) to 64 bits, identically on every machine; null counts as empty.

    Sixteen million strings take seconds, compared to half a minute with Python's hash functions.
    """
    return np.concatenate(
        [np.zeros(0, np.uint64), *(_hash_strings(block) for chunk in iter_chunks(column) for block in _blocks(chunk))]
    )


def first_duplicate(keys: npt.NDArray[np.int64]) -> tuple[int, int] | None:
    """Return the first row whose key occurred before, as (earlier row, duplicate row); None if all keys differ."""
    sorted_keys = np.sort(keys)
    if not (sorted_keys[1:] == sorted_keys[:-1]).any():
        return None
    order = np.argsort(keys, kind="stable")
    repeated = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    duplicate = int(order[repeated + 1].min())
    return int(np.flatnonzero(keys == keys[duplicate])[0]), duplicate


def _audio_hashes(table: pa.Table) -> Hashes:
    """Return a hash of each row's audio reference (row,)."""
    result = hashes(table["audio"])
    for name in ("offset", "byte_offset", "byte_length", "duration"):
        plain = pc.fill_null(table[name], 0).to_numpy()
        result = _mix(result, np.ascontiguousarray(plain, np.float64).view(np.uint64))
    order = np.argsort(result, kind="stable")
    new = np.concatenate([[True], result[order][1:] != result[order][:-1]])
    starts = np.flatnonzero(new)
    earlier = np.arange(len(order)) - starts[np.cumsum(new) - 1]  # number of earlier rows with the same values
    repeated = order[earlier > 0]
    result[repeated] = _mix(result[repeated], earlier[earlier > 0].astype(np.uint64))
    return result


def _hexadecimal(numbers: Hashes) -> pa.Array:
    """Format each number (row,) as sixteen hexadecimal digits."""
    digits = numbers.astype(">u8").tobytes().hex().encode()
    edges = np.arange(len(numbers) + 1, dtype=np.int64) * 16
    return pa.LargeStringArray.from_buffers(len(numbers), pa.py_buffer(edges), pa.py_buffer(digits))


def _blocks(array: pa.Array) -> Iterator[pa.Array]:
    for start in range(0, len(array), BLOCK_ROWS):
        yield array.slice(start, BLOCK_ROWS)


def _hash_strings(strings: pa.Array) -> Hashes:
    """Hash strings eight bytes at a time, vectorized over all strings."""
    if pa.types.is_dictionary(strings.type):
        values = np.append(_hash_strings(strings.dictionary), _hash_strings(pa.array([""])))
        return np.asarray(values[pc.fill_null(strings.indices, len(strings.dictionary)).to_numpy()], dtype=np.uint64)
    plain = pc.fill_null(pc.cast(strings, pa.large_string()), "")
    edges = np.frombuffer(plain.buffers()[1], np.int64, len(plain) + 1, 8 * plain.offset)
    data = np.frombuffer(plain.buffers()[2] or b"", np.uint8)[edges[0] : edges[-1]]
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    words: Hashes = np.ndarray(len(data) + 1, "<u8", padded, strides=(1,))  # one starting at every byte
    starts, lengths = edges[:-1] - edges[0], np.diff(edges)
    # Longest first, so that the strings with a k-th word always come first.
    order = np.argsort(-(lengths // 8), kind="stable")
    starts, lengths = starts[order], lengths[order]
    full, rest = lengths // 8, (lengths % 8).astype(np.uint64)
    state = _mix(np.zeros(len(plain), np.uint64), lengths.astype(np.uint64))
    for k in range(int(full[0]) if len(full) else 0):
        count = np.count_nonzero(full > k)
        state[:count] = _mix(state[:count], words[starts[:count] + 8 * k])
    last = words[starts + 8 * full] & ((np.uint64(1) << (np.uint64(8) * rest)) - np.uint64(1))
    result = np.empty_like(state)
    result[order] = np.where(rest > 0, _mix(state, last), state)
    return result


def _mix(state: Hashes, bits: Hashes) -> Hashes:
    """Mix bits into hash states, so that every input bit affects all output bits."""
    mixed = (state ^ bits) * _FACTOR
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(27)), dtype=np.uint64)
