"""Reading what libsndfile decodes, through soundfile: WAV, FLAC, Ogg, MP3 and others."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import soundfile

from stt.audio.mp3 import missing_share
from stt.audio.ogg import damaged_at
from stt.audio.reader import DECODER_PADDING_SECONDS
from stt.audio.source import AudioError, AudioSource, size_of
from stt.audio.waveform import Waveform

MIN_BYTES_PER_SECOND = 400  # of any codec for speech; only digital silence takes less
BLOCK_SAMPLES = 1 << 16
NO_MP3 = 7  # libsndfile's SFE_BAD_FILE: what has the name of an MP3, but no frame of one
MAX_VALUES = 1 << 22  # samples times channels that are decoded at once: 16 MB
# libsndfile shortens what the headers of WAV, AIFF, AU, W64 and RF64 promise to what is there, and logs both, in bytes.
SHORTENED = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
STREAM_BYTES = 0x7F000000  # from here on, the size is what programs write into a pipe, where they do not know it


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file in which soundfile does not seek after each read to where it is anyway: in MP3 that is audible."""

    def seekable(self) -> bool:
        """Pretend that there is no seeking."""
        return False


class SoundFileReader:
    """A `stt.audio.reader.Reader` over libsndfile.

    Args:
        opened: path of the file, or its bytes.
        source: its name for messages.

    Raises:
        AudioError: the file is not readable by libsndfile.
    """

    def __init__(self, opened: str | io.BytesIO, source: AudioSource) -> None:
        self._opened, self._source = opened, source
        with self._readable():
            # soundfile itself encodes names as UTF-8, which not all file names are.
            self._file = _Sequential(os.fsencode(opened) if isinstance(opened, str) else opened)
        self.rate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self._frames = int(self._file.frames)
        sizes = (tuple(map(int, found)) for found in SHORTENED.findall(self._file.extra_info))
        promised = (self._frames * size // there for size, there in sizes if 0 < there < size < STREAM_BYTES)
        self.promised: int | None = max(promised, default=self._frames)

    def count(self, verify: bool) -> int:
        """Return the number of samples by the header; `verify` compares it with the content where it may be wrong."""
        size = size_of(self._opened)
        if verify and self._file.format == "OGG":
            self._check_ogg()
        if verify:
            self._check_length(self._frames)
        if verify and self._frames * MIN_BYTES_PER_SECOND > size * self.rate:
            self._check_content()
        if verify and self._file.format == "FLAC":
            self._check_end()
        if verify and self._file.format == "MP3":
            self._check_mp3(size)
        return self._frames

    def seek(self, position: int) -> None:
        """Move to a sample, or to the end."""
        position = min(position, self._frames)
        with self._readable():
            if soundfile.SoundFile.seekable(self._file):
                self._file.seek(position)
                return
        while position:  # GSM: everything before has to be decoded
            skipped = len(self.read(min(position, BLOCK_SAMPLES)))
            position = position - skipped if skipped else 0

    def read(self, count: int) -> Waveform:
        """Return the next samples (sample,), the mean of the channels."""
        parts: list[Waveform] = []
        with self._readable():
            while count:  # soundfile reserves memory for all samples of all channels that it is asked for
                asked = min(count, max(1, MAX_VALUES // self.channels))
                parts.append(self._file.read(asked, dtype="float32", always_2d=True).mean(axis=1))
                count -= asked if len(parts[-1]) == asked else count
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check_ogg(self) -> None:
        opened = self._opened
        position = damaged_at(Path(opened).read_bytes() if isinstance(opened, str) else opened.getvalue())
        if position is not None:
            raise AudioError(
                f"{self._source}: the Ogg file is damaged at byte {position}, audio would be missing there"
            )

    def _check_content(self) -> None:
        """Decode everything, block by block, and compare its length with the header."""
        decoded = 0
        while block := len(self.read(BLOCK_SAMPLES)):
            decoded += block
        self._check_length(decoded)

    def _check_end(self) -> None:
        """Decode one of the last samples that the header promises, which takes a thousandth of decoding all."""
        try:
            self.seek(max(0, self._frames - round(DECODER_PADDING_SECONDS * self.rate)))
            found = len(self.read(1))
        except AudioError:
            found = 0
        if not found:
            self._cut_off()

    def _check_mp3(self, size: int) -> None:
        opened = self._opened
        with Path(opened).open("rb") if isinstance(opened, str) else io.BytesIO(opened.getvalue()) as file:
            missing = missing_share(file, size) * self._frames
        if missing > DECODER_PADDING_SECONDS * self.rate:
            self._cut_off()

    def _cut_off(self) -> NoReturn:
        promised = self._frames / self.rate
        raise AudioError(f"{self._source}: the header promises {promised:,.2f} s, but the file ends before")

    def _check_length(self, decoded: int) -> None:
        promised = self.promised or 0
        if abs(promised - decoded) > DECODER_PADDING_SECONDS * self.rate:
            found, expected = decoded / self.rate, promised / self.rate
            raise AudioError(
                f"{self._source}: the header promises {expected:,.2f} s, but {found:,.2f} s could be decoded"
            )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
            raise AudioError(f"{self._source}: not a readable audio file ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    if getattr(error, "code", 0) == NO_MP3:  # in words about a file that does not exist, which has been opened
        return "Format not recognised"
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or type(error).__name__
