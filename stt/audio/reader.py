"""What every decoder library looks like to the rest of the package."""

from __future__ import annotations

from typing import Protocol

from stt.audio.waveform import Waveform

DECODER_PADDING_SECONDS = 0.1  # MP3 and Opus pad by up to about 0.07 s


class Reader(Protocol):
    """Decodes one file from its start on, as a mono waveform in [-1, 1]; every method raises `AudioError`.

    Attributes:
        rate: sample rate, Hz.
        channels: channels in the file, which are averaged.
        promised: samples that the file has by its header; None if the header does not tell.
    """

    rate: int
    channels: int
    promised: int | None

    def count(self, verify: bool) -> int:
        """Return the number of samples, of a reader that has read nothing; `verify` as in `audio_info`."""

    def seek(self, position: int) -> None:
        """Move to a sample, counted from the start, or to the end; once, before anything is read."""

    def read(self, count: int) -> Waveform:
        """Return the next `count` samples (sample,), fewer only at the end."""

    def close(self) -> None:
        """Close the file."""
