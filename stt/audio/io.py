"""Reading audio files: their duration, and the waveform or a window of it."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from stt.audio.blocks import native_blocks, tolerance
from stt.audio.formats import EXTENSIONS, open_reader
from stt.audio.source import AudioError, AudioSource
from stt.audio.waveform import Waveform, resample

__all__ = [
    "EXTENSIONS",
    "AudioError",
    "AudioInfo",
    "Waveform",
    "audio_info",
    "durations_agree",
    "encode_flac",
    "read_audio",
    "read_native",
    "resample",
]


@dataclass(frozen=True)
class AudioInfo:
    """Metadata of an audio file."""

    duration: float  # seconds
    sample_rate: int  # Hz
    channels: int = 1


def audio_info(source: AudioSource | Path | str, verify: bool = False) -> AudioInfo:
    """Read a file's header; of what only FFmpeg decodes, all packets, because many of its formats have no duration.

    Args:
        source: a local or remote file, or a byte span of one.
        verify: check as well what makes libsndfile return less than the header promises: damaged pages of Ogg, files
            that were cut off, and durations that are implausible for the size of the file, for which it is decoded.

    Raises:
        AudioError: the file is missing, empty, damaged or in no format that can be read.
    """
    source = AudioSource.of(source)
    with open_reader(source) as reader:
        samples, rate, channels = reader.count(verify), reader.rate, reader.channels
    if samples <= 0:
        raise AudioError(f"{source}: the audio file contains no samples")
    return AudioInfo(samples / rate, rate, channels)


def read_audio(
    source: AudioSource | Path | str, sample_rate: int, offset: float = 0.0, duration: float | None = None
) -> Waveform:
    """Read a mono waveform (sample,) in [-1, 1] at `sample_rate` Hz; channels are averaged.

    Args:
        source: a local or remote file, or a byte span of one, in any format and at any rate that libsndfile or
            FFmpeg reads; of a video, its sound.
        sample_rate: rate to resample to, Hz.
        offset: start, seconds.
        duration: seconds to read; None reads to the end.

    Raises:
        AudioError: the file is missing, corrupt, shorter than requested, or contains NaN or infinity.
    """
    waveform, rate = read_native(source, offset, duration)
    return resample(waveform, rate, sample_rate)


def read_native(
    source: AudioSource | Path | str, offset: float = 0.0, duration: float | None = None
) -> tuple[Waveform, int]:
    """Read a mono waveform (sample,) in [-1, 1] as `read_audio` does, at the sample rate of the file, Hz."""
    source = AudioSource.of(source)
    with open_reader(source) as reader:
        blocks: list[Waveform] = []
        try:
            blocks.extend(native_blocks(reader, source, offset, duration))
            waveform = np.concatenate(blocks)
        except MemoryError as error:
            seconds = sum(map(len, blocks)) / reader.rate
            raise AudioError(f"{source}: more than {seconds:,.0f} s of audio do not fit into memory") from error
        return waveform, reader.rate


def encode_flac(waveform: Waveform, sample_rate: int) -> bytes:
    """Encode a waveform (sample,) as FLAC: lossless, played by every browser, ten times faster to encode than MP3."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, sample_rate, format="FLAC")
    return buffer.getvalue()


def durations_agree(expected: float, actual: float) -> bool:
    """Whether an expected duration (seconds) matches the actual one, up to rounding and codec padding."""
    return math.isfinite(expected) and abs(expected - actual) <= tolerance(expected)
