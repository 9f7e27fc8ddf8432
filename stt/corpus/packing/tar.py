"""Writing tar files whose members are found again by their byte span."""

from __future__ import annotations

import tarfile
from typing import BinaryIO

BLOCK = tarfile.BLOCKSIZE  # bytes; headers take one, contents are padded to whole ones


class TarWriter:
    """Writes members one after the other, with nothing in their headers but name and size: no times, no owners.

    Args:
        file: opened for writing, empty.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, name: str, content: bytes) -> int:
        """Append a member; `name` has at most 100 ASCII characters. Return where its content starts, bytes."""
        info = tarfile.TarInfo(name)
        info.size = len(content)
        self._file.write(info.tobuf(tarfile.USTAR_FORMAT, "ascii"))
        start = self._file.tell()
        self._file.write(content + bytes(-len(content) % BLOCK))
        return start

    def finish(self) -> None:
        """Write the end of the archive."""
        self._file.write(bytes(2 * BLOCK))
