"""Where the audio of an MP3 file begins, and how much of it was cut off by what its first frame says (Xing or Info)."""

from __future__ import annotations

from typing import BinaryIO

TAG_HEADER_BYTES = 10
HEAD_BYTES = 256  # of the first frame, in which the mark has its place
MARKS = (b"Xing", b"Info")  # the latter where the bit rate is constant
FRAMES, BYTES = 1, 2  # flags: which numbers follow


def end_of_tags(head: bytes) -> int:
    """Return where ID3 tags end, by the first ten bytes of a file; 0 if there are none."""
    if not head.startswith(b"ID3"):
        return 0
    size = head[6:TAG_HEADER_BYTES]  # with seven bits in a byte
    return TAG_HEADER_BYTES + sum((byte & 127) << 7 * (3 - index) for index, byte in enumerate(size))


def missing_share(file: BinaryIO, size: int) -> float:
    """Return the share of the frames' bytes by which a file of `size` bytes was cut; 0 if it does not tell."""
    start = end_of_tags(file.read(TAG_HEADER_BYTES))
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
