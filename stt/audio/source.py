"""Where audio is: a file or a span of bytes in one, here or at an address that `fsspec` knows (s3://, https:// ...)."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

from stt.errors import InputError, reason


class AudioError(InputError):
    """Audio that is missing, in a format that cannot be read, or damaged."""


@dataclass(frozen=True)
class AudioSource:
    """A reference to audio.

    Attributes:
        address: path of a file, or an address with `://`.
        byte_offset: where the audio begins in the file, bytes; None where it is the whole file.
        byte_length: how long it is, bytes.
    """

    address: str
    byte_offset: int | None = None
    byte_length: int | None = None

    @classmethod
    def of(cls, source: AudioSource | Path | str) -> AudioSource:
        """Take a whole file by its path or address, or a reference as it is."""
        return source if isinstance(source, AudioSource) else cls(str(source))

    def __str__(self) -> str:
        """Name it in a message."""
        if self.byte_offset is None:
            return self.address
        return f"{self.address} (bytes {self.byte_offset} to {self.byte_offset + (self.byte_length or 0)})"

    def absolute(self) -> AudioSource:
        """Give a reference that holds in any folder."""
        return self if is_remote(self.address) else replace(self, address=str(Path(self.address).absolute()))

    def open(self) -> str | io.BytesIO:
        """Give what a decoder can open: the path of a whole file that is here, else the bytes.

        Raises:
            AudioError: the file is missing, cannot be reached, or is shorter than the span.
        """
        if is_remote(self.address):
            return io.BytesIO(self._whole(self._fetch()))
        path = Path(self.address)
        if not path.is_file():
            raise AudioError(f"{self}: the audio file is missing")
        if self.byte_offset is None:
            return str(path)
        with path.open("rb") as file:
            file.seek(self.byte_offset)
            return io.BytesIO(self._whole(file.read(self.byte_length)))

    def _fetch(self) -> bytes:
        from fsspec.core import url_to_fs  # only who has audio elsewhere needs it

        start, end = self.byte_offset, None
        if start is not None:
            end = start + (self.byte_length or 0)
        try:
            system, path = url_to_fs(self.address)
            data: bytes = system.cat_file(path, start=start, end=end)
        except ImportError as error:
            raise AudioError(f"{self}: its protocol needs another package: {error}") from error
        except FileNotFoundError as error:
            raise AudioError(f"{self}: the audio file is missing") from error
        except Exception as error:  # every file system has errors of its own
            raise AudioError(f"{self}: it cannot be fetched ({reason(error)})") from error
        if self.byte_length is not None and len(data) > self.byte_length:
            return data[start:end]  # a server that knows no ranges sends the whole file
        return data

    def _whole(self, data: bytes) -> bytes:
        if self.byte_length is not None and len(data) < self.byte_length:
            raise AudioError(f"{self}: the file ends before, {len(data)} of {self.byte_length} bytes are there")
        return data


def is_remote(address: str) -> bool:
    """Tell whether an address is fsspec's, not a path."""
    return "://" in address


def located(folder: Path, name: str) -> str:
    """Give the address of audio that is named relative to a folder, or by an absolute path or an address."""
    return name if is_remote(name) else str(folder / name)
