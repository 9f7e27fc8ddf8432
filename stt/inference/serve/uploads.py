"""An uploaded file as a recording: of limited duration, in memory or in a temporary file that has no name."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from stt.audio.blocks import audio_blocks
from stt.audio.io import Waveform
from stt.audio.source import AudioSource
from stt.errors import InputError
from stt.recognition.recording import Recording

MEMORY_BYTES = 1 << 20  # of a file that is read into memory, on Linux
BLOCK_SECONDS = 5.0  # decoded at once: at the highest rate and with 8 channels, a minute would take a gigabyte


class TooLongError(InputError):
    """A recording is longer than allowed."""


@dataclass(frozen=True, kw_only=True)
class Upload(AudioSource):
    """An open file; its address is a name for messages."""

    file: BinaryIO
    size: int  # bytes

    def open(self) -> str | io.BytesIO:
        """Return a path on Linux, where opening it gives a position of its own; otherwise all bytes."""
        if sys.platform == "linux" and self.size > MEMORY_BYTES:
            self.file.flush()
            return f"/proc/self/fd/{self.file.fileno()}"
        self.file.seek(0)
        return io.BytesIO(self.file.read())


def recording(upload: Upload, longest: float) -> Recording:
    """Return an upload as a recording that ends in an error after `longest` seconds, whatever its header says."""

    def blocks(rate: int) -> Iterator[Waveform]:
        samples = 0
        for block in audio_blocks(upload, rate, block_seconds=BLOCK_SECONDS):
            samples += len(block)
            if samples > longest * rate:
                raise TooLongError(f"{upload}: the recording is longer than {longest:g} s")
            yield block

    return Recording(str(upload), blocks)
