"""Augmentation on the host, in the data-loading workers: speed and pauses (which change lengths), pitch and codecs."""

from __future__ import annotations

import io
import math

import numpy as np
import python_stretch
import soundfile

from stt.audio.augmentation.policy import CODEC, PAUSE, PITCH, SPEED, Transform
from stt.audio.io import Waveform, resample

TELEPHONE_RATE = 8_000  # Hz
# Format and subtype for libsndfile: probability. The slow ones are rare: a core encodes and decodes 70 s of audio per
# second as Opus, 200 s as MP3, 450 s as GSM and 2,300 s as mu-law.
CODECS = {
    ("MP3", "MPEG_LAYER_III"): 0.2,
    ("OGG", "OPUS"): 0.02,
    ("WAV", "GSM610"): 0.35,
    ("WAV", "ULAW"): 0.43,
}
TELEPHONE = frozenset({"GSM610", "ULAW", "ALAW"})  # at 8 kHz, so that everything above 4 kHz is lost as well
CODEC_RATES = {  # Hz, of codecs that do not take any
    "OPUS": frozenset({8_000, 12_000, 16_000, 24_000, 48_000}),
    "MPEG_LAYER_III": frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000}),
}
MAX_LEVEL = 0.99  # libsndfile rejects 1 for MP3
SPEED_STEPS = 20  # speeds are multiples of 1/20: resampling by a ratio of small integers is fast


def augment_waveform(
    waveform: Waveform,
    sample_rate: int,
    strength: float,
    rng: np.random.Generator,
    batch_rng: np.random.Generator,
    max_speed: float = math.inf,
) -> Waveform:
    """Randomly change the speed and pitch of a waveform (sample,), add pauses and pass it through a codec.

    Args:
        waveform: samples in [-1, 1].
        sample_rate: Hz.
        strength: 0 (off) to 1.
        rng: source of randomness.
        batch_rng: source of randomness in the same state for all utterances of a batch: all get pauses, or none, so
            that batches stay free of padding.
        max_speed: largest speed factor, so that enough frames remain for CTC.
    """
    use_speed, use_pitch, use_codec = (rng.random() < t.probability(strength) for t in (SPEED, PITCH, CODEC))
    if use_speed:
        steps = round(SPEED_STEPS * _sample_value(SPEED, strength, rng))
        if steps <= SPEED_STEPS * max(1.0, max_speed):
            waveform = resample(waveform, steps, SPEED_STEPS)
    if use_pitch:
        waveform = shift_pitch(waveform, sample_rate, _sample_value(PITCH, strength, rng))
    if batch_rng.random() < PAUSE.probability(strength):
        waveform = surround(waveform, _sample_value(PAUSE, strength, batch_rng), rng)
    if use_codec:
        codec = list(CODECS)[int(rng.choice(len(CODECS), p=list(CODECS.values())))]
        waveform = apply_codec(waveform, sample_rate, *codec, level=_sample_value(CODEC, strength, rng))
    return waveform


def surround(waveform: Waveform, share: float, rng: np.random.Generator) -> Waveform:
    """Add silence before and after a waveform (sample,), in all of `share` times its length, split by chance.

    A network that was trained on utterances cut where speech begins takes the words next to a pause for others.
    """
    total = round(share * len(waveform))
    before = int(rng.integers(total + 1))
    return np.pad(waveform, (before, total - before))


def shift_pitch(waveform: Waveform, sample_rate: int, semitones: float) -> Waveform:
    """Raise the pitch of a waveform (sample,) by semitones without changing its timing."""
    shifter = python_stretch.Signalsmith.Stretch()
    shifter.preset(1, sample_rate)
    shifter.setTransposeSemitones(semitones)
    shifted = np.asarray(shifter.process(waveform[np.newaxis]), dtype=np.float32)
    return shifted.reshape(-1)


def apply_codec(waveform: Waveform, sample_rate: int, container: str, subtype: str, level: float) -> Waveform:
    """Encode and decode a waveform (sample,), keeping its length and sample rate.

    Args:
        waveform: samples in [-1, 1]; values outside are clipped.
        sample_rate: Hz.
        container: libsndfile format.
        subtype: libsndfile codec; telephone codecs run at 8 kHz.
        level: compression, 0 (best quality) to 1 (smallest file), for codecs that support it.
    """
    if sample_rate not in CODEC_RATES.get(subtype, (sample_rate,)):
        return waveform
    rate = TELEPHONE_RATE if subtype in TELEPHONE else sample_rate
    file = io.BytesIO()
    options = {} if subtype in TELEPHONE else {"compression_level": min(level, MAX_LEVEL)}
    soundfile.write(file, resample(waveform, sample_rate, rate).clip(-1, 1), rate, subtype, format=container, **options)
    file.seek(0)
    decoded = soundfile.read(file, dtype="float32")[0]
    decoded = resample(decoded, rate, sample_rate)[: len(waveform)]
    return np.pad(decoded, (0, len(waveform) - len(decoded)))


def _sample_value(transform: Transform, strength: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(*transform.range(strength)))
