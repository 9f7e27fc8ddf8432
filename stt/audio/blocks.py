"""Reading hours of audio in blocks, with memory for one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stt.audio.formats import open_reader
from stt.audio.reader import DECODER_PADDING_SECONDS, Reader
from stt.audio.source import AudioError, AudioSource
from stt.audio.waveform import Resampler, Waveform

BLOCK_SAMPLES = 1 << 20  # decoded at once


def audio_blocks(
    source: AudioSource | Path | str,
    sample_rate: int,
    offset: float = 0.0,
    duration: float | None = None,
    block_seconds: float = 30.0,
) -> Iterator[Waveform]:
    """Yield a mono waveform in blocks (sample,) at `sample_rate` Hz: concatenated, what `read_audio` returns.

    Args:
        source: a local file, of which only a block is in memory; or a remote file or a byte span of one, of which
            all bytes are, but not the waveform.
        sample_rate: rate to resample to, Hz.
        offset: start, seconds.
        duration: seconds to read; None reads to the end.
        block_seconds: approximate duration of a block, seconds.

    Raises:
        AudioError: as for `read_audio`; audio that is missing at the end is found there, after the blocks before.
    """
    source = AudioSource.of(source)
    with open_reader(source) as reader:
        resampler = Resampler(reader.rate, sample_rate)
        for block in native_blocks(reader, source, offset, duration, max(1, round(block_seconds * reader.rate))):
            if len(resampled := resampler(block)):
                yield resampled
        if len(resampled := resampler(np.empty(0, np.float32), last=True)):
            yield resampled


def native_blocks(
    reader: Reader, source: AudioSource, offset: float, duration: float | None, size: int = BLOCK_SAMPLES
) -> Iterator[Waveform]:
    """Yield blocks (sample,) of a file at its own rate.

    Args:
        reader: the open file, of which nothing was read.
        source: its name for messages.
        offset: start, seconds.
        duration: seconds to read; None reads to the end.
        size: samples of a block; the last one is shorter.

    Raises:
        AudioError: the audio is damaged, shorter than requested, or contains NaN or infinity. Missing audio is found
            at the end: the last block is not returned then.
    """
    if offset < 0:
        raise AudioError(f"{source}: the offset of {offset:g} s is negative")
    requested = None if duration is None else round(duration * reader.rate)
    reader.seek(round(offset * reader.rate))
    found, ended = 0, False
    while not ended:
        count = size if requested is None else min(size, requested - found)
        block = reader.read(count)
        found += len(block)
        ended = len(block) < count or found == requested
        if ended:
            _check_length(reader, source, found, offset, duration)
        if not np.isfinite(block).all():
            raise AudioError(f"{source}: the samples contain NaN or infinity")
        if len(block):
            yield block


def tolerance(duration: float) -> float:
    """Return by how much the duration of decoded audio may differ from the expected one, seconds."""
    return DECODER_PADDING_SECONDS + 0.02 * duration


def _check_length(reader: Reader, source: AudioSource, found: int, offset: float, duration: float | None) -> None:
    """Compare the number of decoded samples with what was requested and with what the header promises."""
    seconds = found / reader.rate
    if not found:
        raise AudioError(f"{source}: there is no audio after {offset:g} s")
    if duration is not None and seconds < duration - tolerance(duration):
        raise AudioError(f"{source}: expected {duration:g} s of audio from {offset:g} s on, found {seconds:.2f} s")
    if reader.promised is not None:
        rest = reader.promised / reader.rate - offset
        expected = rest if duration is None else min(rest, duration)
        if seconds < expected - DECODER_PADDING_SECONDS:
            raise AudioError(f"{source}: the file is damaged, {seconds:.2f} s of {expected:.2f} s could be decoded")
