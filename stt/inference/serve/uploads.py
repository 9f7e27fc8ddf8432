"""An uploaded file as a recording of limited duration."""

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

BLOCK_SECONDS = 5.0  # decoded at once: at the highest rate and with 8 channels, a minute would take a gigabyte


class TooLongError(InputError):
    """A recording is longer than allowed."""


@dataclass(frozen=True, kw_only=True)
class Upload(AudioSource):
    """An open temporary file, which needs no name; its address is for messages."""

    file: BinaryIO

    def open(self) -> str | io.BytesIO:
        """Return a path where opening one gives a position of its own, on Linux; elsewhere all bytes."""
        if sys.platform == "linux":
            number = self.file.fileno()  # moves it out of memory
            self.file.flush()
            return f"/proc/self/fd/{number}"
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
