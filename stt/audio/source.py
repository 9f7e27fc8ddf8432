"""References to audio: a file or a byte span of one, local or at a URL that `fsspec` supports (s3://, https:// ...)."""

from __future__ import annotations

import io
import os.path
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stt.errors import InputError, reason


class AudioError(InputError):
    """Audio that is missing, corrupt or in an unsupported format."""


@dataclass(frozen=True)
class AudioSource:
    """A reference to audio.

    Attributes:
        address: path of a file, or a URL with `://`.
        byte_offset: start of the audio in the file, bytes; None for the whole file.
        byte_length: length of the audio in the file, bytes.
    """

    address: str
    byte_offset: int | None = None
    byte_length: int | None = None

    @classmethod
    def of(cls, source: AudioSource | Path | str) -> AudioSource:
        """Return a reference to a whole file by its path or URL; a reference is returned as it is."""
        return source if isinstance(source, AudioSource) else cls(str(source))

    def __str__(self) -> str:
        """Format it for messages."""
        if self.byte_offset is None:
            return self.address
        return f"{self.address} (bytes {self.byte_offset} to {self.byte_offset + (self.byte_length or 0)})"

    def absolute(self) -> AudioSource:
        """Return the reference with an absolute path."""
        return self if is_remote(self.address) else replace(self, address=str(Path(self.address).absolute()))

    def open(self) -> str | io.BytesIO:
        """Return what a decoder can open: the path of a whole local file, otherwise the bytes.

        Raises:
            AudioError: the file is missing, unreachable, or ends before the byte span does.
        """
        if is_remote(self.address):
            return io.BytesIO(self._check_length(self._fetch()))
        if not os.path.isfile(self.address):  # unlike Path.is_file, it takes names that no file can have
            raise AudioError(f"{self}: the audio file is missing")
        if self.byte_offset is None:
            return self.address
        size = os.path.getsize(self.address)
        start = min(self.byte_offset, size)
        with open(self.address, "rb") as file:
            file.seek(start)
            # Reading allocates memory for all that is asked for, so ask for no more than there is.
            return io.BytesIO(self._check_length(file.read(min(size - start, self.byte_length or size))))

    def _fetch(self) -> bytes:
        from fsspec.core import url_to_fs  # only needed for remote audio

        start, end = self.byte_offset, None
        if start is not None:
            end = start + (self.byte_length or 0)
        try:
            system, path = url_to_fs(self.address)
            data: bytes = system.cat_file(path, start=start, end=end)
        except ImportError as error:
            raise AudioError(f"{self}: its protocol needs an additional package: {error}") from error
        except FileNotFoundError as error:
            raise AudioError(f"{self}: the audio file is missing") from error
        except Exception as error:  # every file system raises its own exceptions
            raise AudioError(f"{self}: cannot be fetched ({reason(error)})") from error
        if self.byte_length is not None and len(data) > self.byte_length:
            return data[start:end]  # a server without range requests sends the whole file
        return data

    def _check_length(self, data: bytes) -> bytes:
        if self.byte_length is not None and len(data) < self.byte_length:
            raise AudioError(f"{self}: the file is too short, it has {len(data)} of the {self.byte_length} bytes")
        return data


def size_of(opened: str | io.BytesIO) -> int:
    """Return the bytes of what `AudioSource.open` returns."""
    return os.path.getsize(opened) if isinstance(opened, str) else opened.getbuffer().nbytes


def is_remote(address: str) -> bool:
    """Whether an address is a URL for fsspec, not a local path."""
    return "://" in address


def resolve_address(folder: Path, name: str) -> str:
    """Resolve the name of audio against a folder; absolute paths and URLs are returned as they are."""
    return name if is_remote(name) else str(folder / name)


def find_address(folders: Sequence[Path], name: str) -> str:
    """Return the address of audio in the first of the folders that has it, or else in the first one."""
    addresses = [resolve_address(folder, name) for folder in folders]
    return next((address for address in addresses if os.path.isfile(address)), addresses[0])


def relative_address(address: str, folder: Path) -> str:
    """Return the address of audio as a file in the absolute `folder` gives it: relative to it if the audio is in it."""
    if is_remote(address):
        return address
    path = Path(address)
    path = path.parent.resolve() / path.name  # a link to audio stays one: what it leads to may move (git-annex, DVC)
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
