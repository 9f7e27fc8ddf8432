"""How audio is stored: FLAC, or Ogg Opus at some 29 kbit/s."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from stt.audio.io import Waveform, durations_agree, read_audio
from stt.audio.ogg import damaged_at, with_serial
from stt.audio.source import AudioError, AudioSource
from stt.errors import InputError

Codec = Literal["opus", "flac"]
Samples = npt.NDArray[np.int16]
OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)  # Hz, that the codec has
BYTES_PER_SECOND = {"opus": 0.23, "flac": 1.1}  # of speech at 16 kHz, for each Hz of the sample rate
_STORED = {"opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16")}  # libsndfile's format and subtype


class Reference(NamedTuple):
    """What audio must be when it is read back."""

    samples: int
    digest: bytes  # of the samples; empty if they may differ


def check_rate(codec: str, sample_rate: int) -> None:
    """Check that a codec has a sample rate.

    Raises:
        InputError: it has not.
    """
    if codec == "opus" and sample_rate not in OPUS_RATES:
        rates = ", ".join(map(str, OPUS_RATES))
        raise InputError(f"--sample-rate {sample_rate}: Opus has {rates} Hz only; choose one, or --codec flac")


def as_stored(source: AudioSource, codec: Codec, sample_rate: int) -> bytes | None:
    """Return the bytes of audio that needs no encoding, because it is whole, mono and has the codec and the rate.

    Opus that is encoded twice is worse than once.
    """
    opened = source.open()
    data = opened.getvalue() if isinstance(opened, io.BytesIO) else Path(opened).read_bytes()
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            stored = (file.format, file.subtype, file.samplerate, file.channels)
    except soundfile.LibsndfileError:
        return None
    if stored != (*_STORED[codec], sample_rate, 1) or (codec == "opus" and damaged_at(data) is not None):
        return None
    return data


def encode(waveform: Waveform, codec: Codec, sample_rate: int) -> bytes:
    """Encode a waveform (sample,); the same waveform always gives the same bytes."""
    kind, subtype = _STORED[codec]
    buffer = io.BytesIO()
    soundfile.write(buffer, to_samples(waveform), sample_rate, format=kind, subtype=subtype)
    return with_serial(buffer.getvalue(), 1) if codec == "opus" else buffer.getvalue()


def to_samples(waveform: Waveform) -> Samples:
    """Round a waveform (sample,) to 16 bits, which changes nothing of audio that had them."""
    samples: Samples = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
    return samples


def reference(waveform: Waveform, codec: Codec) -> Reference:
    """Return what must be read back of a waveform (sample,): for FLAC the same samples, for Opus as many.

    No two decoders of Opus agree on the samples.
    """
    digest = hashlib.sha256(to_samples(waveform).data).digest() if codec == "flac" else b""
    return Reference(len(waveform), digest)


def verify(stored: AudioSource, expected: Reference, codec: Codec, sample_rate: int) -> None:
    """Read stored audio back, all of it, and compare it with what it was made of.

    Raises:
        AudioError: it differs, or cannot be read.
    """
    found = read_audio(stored, sample_rate)  # finite, or it raises
    if codec == "flac" and reference(found, codec) != expected:
        raise AudioError(f"{stored}: other samples are read back than were written")
    if not durations_agree(expected.samples / sample_rate, len(found) / sample_rate):
        seconds = len(found) / sample_rate
        raise AudioError(f"{stored}: {seconds:.2f} s are read back of {expected.samples / sample_rate:.2f} s")
