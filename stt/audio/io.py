"""Reading audio: the only place that knows the decoder library (libsndfile through soundfile)."""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from stt.audio.ogg import damaged_at
from stt.audio.source import AudioError, AudioSource

__all__ = ["AudioError", "AudioInfo", "audio_info", "durations_agree", "encode_flac", "read_audio", "resample"]

Waveform = npt.NDArray[np.float32]
MIN_RATE, MAX_RATE = 1_000, 1_000_000  # Hz; what lies outside is a broken header, not speech
MIN_BYTES_PER_SECOND = 400  # of any codec for speech; only digital silence takes less
DECODER_PADDING_SECONDS = 0.1  # MP3 and Opus pad by up to about 0.07 s
BLOCK_FRAMES = 1 << 16
MAX_RATIO = 2_000  # of sample rates; 44,100 to 16,000 Hz is 160 / 441
EXTENSIONS = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".gsm", ".w64", ".caf"})


@dataclass(frozen=True)
class AudioInfo:
    """Metadata from an audio file's header."""

    duration: float  # seconds
    sample_rate: int  # Hz


def audio_info(source: AudioSource | Path | str, verify: bool = False) -> AudioInfo:
    """Read a file's header.

    Args:
        source: a local or remote file, or a byte span of one.
        verify: check as well what makes decoders return less than the header promises: damaged pages of Ogg, and
            durations that are implausible for the size of the file, for which it is decoded.

    Raises:
        AudioError: the file is missing, empty, damaged or not readable by libsndfile.
    """
    source = AudioSource.of(source)
    opened = _open(source)
    try:
        with _sound_file(opened) as file:
            frames, rate = int(file.frames), _rate(file, source)
            size = Path(opened).stat().st_size if isinstance(opened, str) else opened.getbuffer().nbytes
            if verify and file.format == "OGG":
                _check_ogg(opened, source)
            if verify and frames * MIN_BYTES_PER_SECOND > size * rate:
                _check_frames(file, source)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise AudioError(f"{source}: not a readable audio file ({_reason(error)})") from error
    if frames <= 0:
        raise AudioError(f"{source}: the audio file contains no samples")
    return AudioInfo(frames / rate, rate)


def read_audio(
    source: AudioSource | Path | str, sample_rate: int, offset: float = 0.0, duration: float | None = None
) -> Waveform:
    """Read a mono waveform (sample,) in [-1, 1] at `sample_rate` Hz; channels are averaged.

    Args:
        source: a local or remote file, or a byte span of one, in any format and at any rate that libsndfile reads.
        sample_rate: rate to resample to, Hz.
        offset: start, seconds.
        duration: seconds to read; None reads to the end.

    Raises:
        AudioError: the file is missing, corrupt, shorter than requested, or contains NaN or infinity.
    """
    source = AudioSource.of(source)
    opened = _open(source)
    try:
        with _sound_file(opened) as file:
            rate = _rate(file, source)
            start = min(round(offset * rate), file.frames)
            if file.seekable():
                file.seek(start)
            else:  # GSM: everything before the offset has to be decoded
                file.read(start, dtype="float32")
            rest = file.frames - start
            count = rest if duration is None else min(rest, round(duration * rate))
            samples = file.read(count, dtype="float32", always_2d=True)
    except MemoryError as error:
        raise AudioError(f"{source}: its {count / rate:,.0f} s of audio do not fit into memory") from error
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise AudioError(f"{source}: not a readable audio file ({_reason(error)})") from error
    if not len(samples):
        raise AudioError(f"{source}: there is no audio after {offset:g} s")
    if duration is not None and len(samples) < (duration - _tolerance(duration)) * rate:
        raise AudioError(
            f"{source}: expected {duration:g} s of audio from {offset:g} s on, found {len(samples) / rate:.2f} s"
        )
    if len(samples) < count - DECODER_PADDING_SECONDS * rate:
        raise AudioError(
            f"{source}: the file is damaged, {len(samples) / rate:.2f} s of {count / rate:.2f} s could be decoded"
        )
    waveform = samples.mean(axis=1)
    if not np.isfinite(waveform).all():
        raise AudioError(f"{source}: the samples contain NaN or infinity")
    return resample(waveform, rate, sample_rate)


def encode_flac(waveform: Waveform, sample_rate: int) -> bytes:
    """Encode a waveform (sample,) as FLAC: lossless, played by every browser, ten times faster to encode than MP3."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, sample_rate, format="FLAC")
    return buffer.getvalue()


def durations_agree(expected: float, actual: float) -> bool:
    """Whether an expected duration (seconds) matches the actual one, up to rounding and codec padding."""
    return math.isfinite(expected) and abs(expected - actual) <= _tolerance(expected)


def _tolerance(duration: float) -> float:
    return DECODER_PADDING_SECONDS + 0.02 * duration


def resample(waveform: Waveform, from_rate: int, to_rate: int) -> Waveform:
    """Resample a waveform (sample,) with a windowed sinc; rates in Hz."""
    if from_rate == to_rate:
        return waveform
    import torch  # imported here because it takes seconds, which commands that read no audio should not pay for
    import torchaudio.functional

    # The filter for 44,101 to 16,000 Hz would take gigabytes; a ratio of small numbers is less than 0.03 % off.
    ratio = Fraction(to_rate, from_rate).limit_denominator(MAX_RATIO)
    if ratio == 1:
        return waveform
    resampled = torchaudio.functional.resample(torch.from_numpy(waveform), ratio.denominator, ratio.numerator)
    return np.asarray(resampled.numpy(), dtype=np.float32)


def _rate(file: soundfile.SoundFile, source: AudioSource) -> int:
    rate = int(file.samplerate)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"{source}: a sample rate of {rate} Hz is not between {MIN_RATE:,} and {MAX_RATE:,}")
    return rate


def _check_ogg(opened: str | io.BytesIO, source: AudioSource) -> None:
    position = damaged_at(Path(opened).read_bytes() if isinstance(opened, str) else opened.getvalue())
    if position is not None:
        raise AudioError(f"{source}: the Ogg file is damaged at byte {position}, audio would be missing there")


def _check_frames(file: soundfile.SoundFile, source: AudioSource) -> None:
    """Decode everything, block by block, and compare its length with the header."""
    promised, decoded = int(file.frames), 0
    while block := len(file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
        decoded += block
    if abs(promised - decoded) > DECODER_PADDING_SECONDS * file.samplerate:
        found, expected = decoded / file.samplerate, promised / file.samplerate
        raise AudioError(f"{source}: the header promises {expected:,.2f} s, but {found:,.2f} s could be decoded")


def _open(source: AudioSource) -> str | io.BytesIO:
    opened = source.open()
    if isinstance(opened, str):
        with Path(opened).open("rb") as file:
            head = file.read(12)
    else:
        head = bytes(opened.getbuffer()[:12])
    # libsndfile's MP3 reader scans the bytes for anything like a frame, so MP4 must not reach it.
    if head[4:8] == b"ftyp":
        raise AudioError(
            f"{source}: this is MP4/AAC (m4a), whatever its extension; convert it to wav, flac, mp3 or ogg"
        )
    return opened


def _sound_file(opened: str | io.BytesIO) -> soundfile.SoundFile:
    # soundfile itself encodes names as UTF-8, which not all file names are.
    return soundfile.SoundFile(os.fsencode(opened) if isinstance(opened, str) else opened)


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or type(error).__name__
