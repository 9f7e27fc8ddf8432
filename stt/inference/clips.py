"""Clips of equal length to measure speed with: real speech, joined and cut, or generated signals."""

from __future__ import annotations

import numpy as np

from stt.audio.io import Waveform
from stt.corpus.manifest import Manifest
from stt.errors import InputError

SYLLABLES = 4.0  # per second
HARMONICS = 20


def speech_clips(manifest: Manifest, sample_rate: int, seconds: float, count: int) -> list[Waveform]:
    """Join the utterances of a manifest in random order and cut them into clips; too few are repeated.

    Args:
        manifest: no more of it is read than needed.
        sample_rate: sample rate of the clips, Hz.
        seconds: duration of each clip.
        count: number of clips.

    Raises:
        InputError: the audio of a row cannot be read, or all of it is empty.
    """
    samples = round(seconds * sample_rate)
    waveforms: list[Waveform] = []
    missing = count * samples
    for row in np.random.default_rng(0).permutation(len(manifest)).tolist():
        if missing <= 0:
            break
        waveforms.append(manifest.waveform(row, sample_rate))
        missing -= len(waveforms[-1])
    joined = np.concatenate(waveforms)
    if not len(joined):
        raise InputError(f"{manifest.path}: its audio is empty")
    return list(np.resize(joined, (count, samples)))


def generated_clips(sample_rate: int, seconds: float, count: int) -> list[Waveform]:
    """Generate clips of a buzzing voice: harmonics of a wandering pitch, in syllables, with noise.

    The speed of the network does not depend on what it hears, but that of the beam search does.
    """
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    clips = []
    for pitch in rng.uniform(90, 240, count):
        cycles = pitch * time + 2 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * time)
        voice = sum(np.sin(2 * np.pi * k * cycles) / k for k in range(1, HARMONICS) if k * pitch < sample_rate / 3)
        envelope = np.clip(np.sin(2 * np.pi * SYLLABLES * time + rng.uniform(0, 6)), 0, None)
        clips.append((0.1 * voice * envelope + rng.normal(0, 0.003, len(time))).astype(np.float32))
    return clips
