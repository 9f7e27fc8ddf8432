"""Integrity of Ogg files: decoders skip damaged pages without a word, so that audio is missing in the middle."""

from __future__ import annotations

import zlib

_HEADER_BYTES = 27  # of a page; the number of its segments is the last, their lengths follow
_SERIAL, _CHECKSUM = slice(14, 18), slice(22, 26)
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def with_serial(data: bytes, serial: int) -> bytes:
    """Return an Ogg file of one stream with another serial number: encoders draw it by chance, so no two are equal.

    Raises:
        ValueError: it is not a sequence of pages.
    """
    pages = []
    position = 0
    while position < len(data):
        end = _page_end(data, position)
        if end is None:
            raise ValueError(f"no Ogg page at byte {position}")
        page = data[position : position + _SERIAL.start] + serial.to_bytes(4, "little")
        page += data[position + _SERIAL.stop : end]
        checksum = _checksum(page).to_bytes(4, "little")
        pages.append(page[: _CHECKSUM.start] + checksum + page[_CHECKSUM.stop :])
        position = end
    return b"".join(pages)


def damaged_at(data: bytes) -> int | None:
    """Return the position of the first damaged page of an Ogg file, bytes; None if it is intact.

    What stands before the first page and after the last one (tags) is not checked.
    """
    position = max(data.find(b"OggS"), 0)
    while data.find(b"OggS", position) >= 0:
        end = _page_end(data, position)
        if end is None:
            return position
        page = data[position:end]
        if _checksum(page) != int.from_bytes(page[_CHECKSUM], "little"):
            return position
        position = end
    return None


def _page_end(data: bytes, position: int) -> int | None:
    """Return where the page ends that starts at a position; None if there is no complete one."""
    header = data[position : position + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or not header.startswith(b"OggS"):
        return None
    segments = data[position + _HEADER_BYTES : position + _HEADER_BYTES + header[-1]]
    end = position + _HEADER_BYTES + header[-1] + sum(segments)
    return end if end <= len(data) else None


def _checksum(page: bytes) -> int:
    """Compute the CRC-32 of a page: zlib's polynomial, with the bits in the other order and no inversion."""
    blank = page[: _CHECKSUM.start] + bytes(4) + page[_CHECKSUM.stop :]
    found = zlib.crc32(blank.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2)
