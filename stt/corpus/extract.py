"""Extraction of archives from elsewhere: nothing outside of the folder, no links, no more than an archive can hold."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from stt.errors import InputError, reason

BLOCK_BYTES = 1 << 20
# A bomb is an archive that grows beyond all measure. Speech is compressed already; short texts and the headers of
# tar shrink to a hundredth.
MAX_GROWTH, FREE_BYTES = 20, 100_000_000
MIN_FILE_BYTES, FREE_FILES = 50, 10_000  # of the archive for each file in it
MAX_HEADER_BYTES = 1_000_000  # between two files


class _Limited:
    """A stream that fails where it would give more than it is allowed to: tarfile reads headers of any size."""

    def __init__(self, stream: BinaryIO, archive: Path) -> None:
        self._stream, self._archive = stream, archive
        self._left = 0

    def allow(self, count: int) -> None:
        self._left = count

    def read(self, count: int) -> bytes:
        data = self._stream.read(count)
        self._left -= len(data)
        if self._left < 0:
            raise InputError(f"{self._archive}: the archive contains headers of more than {MAX_HEADER_BYTES:,} bytes")
        return data


def extract(archive: Path, folder: Path, advance: Callable[[int], None]) -> int:
    """Extract a .tar.gz into a folder; return the number of files.

    Everything is extracted next to it first, and moved when the archive was read to its end: after an error the folder
    is what it was. Only files and folders are taken: links and devices are refused with the whole archive.

    Args:
        archive: the archive.
        folder: where its content goes; files with the same names are replaced.
        advance: told the bytes of the archive that were read.

    Raises:
        InputError: the archive is damaged, truncated, would write outside of the folder, contains anything else than
            files and folders, or is larger than an archive of its size can honestly be.
    """
    partial = folder / f".{archive.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        count = _extract(archive, partial, advance)
        _merge(partial, folder)
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{archive}: the archive is damaged or truncated ({reason(error)}), download it again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return count


def _extract(archive: Path, folder: Path, advance: Callable[[int], None]) -> int:
    size = archive.stat().st_size
    bytes_left, files_left = MAX_GROWTH * size + FREE_BYTES, size // MIN_FILE_BYTES + FREE_FILES
    count = 0
    with archive.open("rb") as raw, gzip.open(raw) as unpacked:
        limited = _Limited(cast(BinaryIO, unpacked), archive)
        limited.allow(MAX_HEADER_BYTES)
        with tarfile.open(fileobj=cast(BinaryIO, limited), mode="r|") as tar:
            for member in tar:
                target = folder / _name(member, archive)
                bytes_left -= member.size
                files_left -= 1
                if member.size < 0 or bytes_left < 0 or files_left < 0:
                    raise InputError(
                        f"{archive}: the archive would become too large for one of {size:,} bytes: refused"
                    )
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    limited.allow(member.size + MAX_HEADER_BYTES)
                    _write(tar, member, target)
                    count += 1
                limited.allow(MAX_HEADER_BYTES)
                tar.members = []  # type: ignore[attr-defined]  # millions of headers would stay in memory
                advance(raw.tell())
        while limited.read(BLOCK_BYTES):  # padding, to the end, where gzip has a sum
            pass
    return count


def _name(member: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    """Return the name of a member inside of the folder.

    Raises:
        InputError: it is outside, or the member is neither a file nor a folder.
    """
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name:
        raise InputError(f"{archive}: {member.name!r} would be written outside of the folder: the archive is refused")
    if not (member.isreg() or member.isdir()):
        kind = "a link" if member.issym() or member.islnk() else "neither a file nor a folder"
        raise InputError(f"{archive}: {member.name!r} is {kind}, which no corpus needs: the archive is refused")
    return name


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = tar.extractfile(member)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        left = member.size
        while source is not None and left and (block := source.read(min(left, BLOCK_BYTES))):
            file.write(block)
            left -= len(block)
    if left:
        raise EOFError(f"{member.name} lacks {left:,} bytes")


def _merge(source: Path, target: Path) -> None:
    """Move the content of a folder into another one on the same disk, which may have some of its folders."""
    for entry in os.scandir(source):
        path = target / entry.name
        if entry.is_dir(follow_symlinks=False) and path.is_dir():
            _merge(Path(entry.path), path)
        else:
            os.replace(entry.path, path)
