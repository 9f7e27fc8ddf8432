"""How much of an MP3 file was cut off, by what its first frame says (Xing; Info where the bit rate is constant)."""

from __future__ import annotations

from typing import BinaryIO

HEAD_BYTES = 256  # of the first frame, in which the mark has its place
MARKS = (b"Xing", b"Info")
FRAMES, BYTES = 1, 2  # flags: which numbers follow


def missing_share(file: BinaryIO, size: int) -> float:
    """Return the share of the frames' bytes by which a file of `size` bytes was cut; 0 if it does not tell."""
    head = file.read(10)
    start = 0
    if head.startswith(b"ID3"):  # tags, whose size has seven bits in a byte
        start = 10 + sum((byte & 127) << 7 * (3 - index) for index, byte in enumerate(head[6:10]))
    file.seek(start)
    head = file.read(HEAD_BYTES)
    for mark in MARKS:
        if (place := head.find(mark)) < 0:
            continue
        flags = int.from_bytes(head[place + 4 : place + 8], "big")
        place += 8 + (4 if flags & FRAMES else 0)
        promised = int.from_bytes(head[place : place + 4], "big") if flags & BYTES else 0
        return max(0.0, 1 - (size - start) / promised) if promised else 0.0
    return 0.0
