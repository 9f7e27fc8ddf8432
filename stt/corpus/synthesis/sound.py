"""Sound effects for synthesized speech. Waveforms are (sample,); rooms, bands and noise come from the augmentation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from stt.audio.augmentation import device
from stt.audio.io import Waveform

Chooser = np.random.Generator


def room(waveform: Waveform, sample_rate: int, decay: float, direct_db: float, rng: Chooser) -> Waveform:
    """Add the reflections of a room; the reverberation after the end of the speech is kept.

    Args:
        waveform: dry speech (sample,).
        sample_rate: Hz.
        decay: seconds in which the reflections fall by 60 dB.
        direct_db: direct-to-reverberant ratio, dB.
        rng: draws the reflections.
    """
    tail = _numpy(device.synthetic_rirs(torch.tensor([decay]), sample_rate, _generator(rng)))
    return reverberate(waveform, tail, direct_db, int(decay * sample_rate) // 3)


def reverberate(waveform: Waveform, tail: Waveform, direct_db: float, extra: int) -> Waveform:
    """Add the reflections of a room.

    Args:
        waveform: dry speech (sample,).
        tail: impulse response after the direct sound (sample,), at the same sample rate.
        direct_db: direct-to-reverberant ratio, dB.
        extra: samples to append for the reverberation after the end of the speech.
    """
    padded = np.pad(waveform, (0, extra))
    return _numpy(device.reverberate(_batch(padded), _batch(tail), torch.tensor([direct_db])))


def cut(recording: npt.NDArray[np.float16] | Waveform, length: int, rng: Chooser) -> Waveform:
    """Cut a window of `length` samples from a random position of a recording (sample,), wrapping around at its end."""
    return _float32(device.window(torch.from_numpy(recording), int(rng.integers(len(recording))), length).numpy())


def band(waveform: Waveform, sample_rate: int, low: float, high: float) -> Waveform:
    """Keep the frequencies from `low` to `high` Hz."""
    return _numpy(device.limit_band(_batch(waveform), torch.tensor([low]), torch.tensor([high]), sample_rate))


def colored_noise(length: int, slope: float, rng: Chooser) -> Waveform:
    """Draw noise whose power falls as frequency ** -slope: 0 white, 1 pink, 2 brown."""
    size = next_fast_len(length, real=True)
    return _numpy(device.colored_noise(torch.tensor([slope]), size, _generator(rng)))[:length]


def music_bed(length: int, sample_rate: int, rng: Chooser) -> Waveform:
    """Synthesize a few slowly swelling chords."""
    time = np.arange(length) / sample_rate
    bed = np.zeros(length)
    root = rng.uniform(80, 160)
    for ratio in rng.choice([1, 6 / 5, 5 / 4, 3 / 2, 2, 5 / 2, 3], size=4, replace=False):
        swell = 1 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.2, 1.5) * time + rng.uniform(0, 6))
        for harmonic in (1, 2, 3):
            bed += swell * np.sin(2 * np.pi * root * ratio * harmonic * time + rng.uniform(0, 6)) / harmonic**1.5
    return _float32(bed)


def mix(waveform: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """Add noise at a signal-to-noise ratio in dB, measured over the whole utterance."""
    lengths = torch.tensor([len(waveform)])
    return _numpy(device.add_noise(_batch(waveform), lengths, _batch(noise), torch.tensor([snr_db])))


def compress(waveform: Waveform, drive: float) -> Waveform:
    """Compress the dynamic range as broadcasters do; a `drive` of 1 or more distorts audibly."""
    peak = np.abs(waveform).max()
    return _float32(np.tanh(drive * waveform / peak) * peak) if peak else waveform


def normalize_peak(waveform: Waveform, peak: float) -> Waveform:
    """Scale to a peak amplitude."""
    current = np.abs(waveform).max()
    return _float32(waveform * (peak / current)) if current else waveform


def _generator(rng: Chooser) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**31)))


def _batch(waveform: Waveform) -> Tensor:
    return torch.from_numpy(_float32(waveform)).unsqueeze(0)


def _numpy(waveforms: Tensor) -> Waveform:
    return _float32(waveforms[0].numpy())


def _float32(values: npt.ArrayLike) -> Waveform:
    return np.asarray(values, dtype=np.float32)
