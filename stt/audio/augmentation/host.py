"""The part of the augmentation that runs where files are read: speed, which changes lengths, pitch and codecs."""

from __future__ import annotations

import io
import math

import numpy as np
import python_stretch
import soundfile

from stt.audio.augmentation.policy import CODEC, PITCH, SPEED, Transform
from stt.audio.io import Waveform, resample

TELEPHONE_RATE = 8_000  # Hz
# Format and subtype for libsndfile, and how often each is taken: Opus is ten times slower than the others.
CODECS = {
    ("MP3", "MPEG_LAYER_III"): 0.35,
    ("OGG", "OPUS"): 0.05,
    ("WAV", "GSM610"): 0.3,
    ("WAV", "ULAW"): 0.3,
}
TELEPHONE = frozenset({"GSM610", "ULAW", "ALAW"})  # at its rate, which loses everything above 4 kHz too
OPUS_RATES = frozenset({8_000, 12_000, 16_000, 24_000, 48_000})
HIGHEST_LEVEL = 0.99  # libsndfile refuses 1 for MP3
SPEEDS = 20  # parts that speeds are rounded to: resampling is fast between small whole numbers


def augment_waveform(
    waveform: Waveform, sample_rate: int, strength: float, rng: np.random.Generator, highest_speed: float = math.inf
) -> Waveform:
    """Change speed and pitch of a waveform (sample,) and send it through a codec, each by chance.

    Args:
        waveform: samples in [-1, 1].
        sample_rate: Hz.
        strength: 0 (nothing) to 1.
        rng: decides.
        highest_speed: factor that the speed is not raised beyond, so that CTC still has its frames.
    """
    faster, higher, coded = (rng.random() < member.probability(strength) for member in (SPEED, PITCH, CODEC))
    if faster:
        parts = round(SPEEDS * _drawn(SPEED, strength, rng))
        if parts <= SPEEDS * max(1.0, highest_speed):
            waveform = resample(waveform, parts, SPEEDS)
    if higher:
        waveform = shift_pitch(waveform, sample_rate, _drawn(PITCH, strength, rng))
    if coded:
        codec = list(CODECS)[int(rng.choice(len(CODECS), p=list(CODECS.values())))]
        waveform = through_codec(waveform, sample_rate, *codec, level=_drawn(CODEC, strength, rng))
    return waveform


def shift_pitch(waveform: Waveform, sample_rate: int, semitones: float) -> Waveform:
    """Make a waveform (sample,) higher by semitones, with nothing moved in time."""
    shifter = python_stretch.Signalsmith.Stretch()
    shifter.preset(1, sample_rate)
    shifter.setTransposeSemitones(semitones)
    shifted = np.asarray(shifter.process(waveform[np.newaxis]), dtype=np.float32)
    return shifted.reshape(-1)


def through_codec(waveform: Waveform, sample_rate: int, kind: str, subtype: str, level: float) -> Waveform:
    """Encode and decode a waveform (sample,), which keeps its length and rate.

    Args:
        waveform: samples in [-1, 1]; what is beyond is clipped.
        sample_rate: Hz.
        kind: format, for libsndfile.
        subtype: codec, for libsndfile; those of the telephone work at 8 kHz.
        level: compression, 0 (best) to 1 (smallest), where the codec has a choice.
    """
    if subtype == "OPUS" and sample_rate not in OPUS_RATES:
        return waveform
    rate = TELEPHONE_RATE if subtype in TELEPHONE else sample_rate
    file = io.BytesIO()
    options = {} if subtype in TELEPHONE else {"compression_level": min(level, HIGHEST_LEVEL)}
    soundfile.write(file, resample(waveform, sample_rate, rate).clip(-1, 1), rate, subtype, format=kind, **options)
    file.seek(0)
    coded = soundfile.read(file, dtype="float32")[0]
    back = resample(coded, rate, sample_rate)[: len(waveform)]
    return np.pad(back, (0, len(waveform) - len(back)))


def _drawn(member: Transform, strength: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(*member.range(strength)))
