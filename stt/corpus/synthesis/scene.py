"""Random acoustic conditions for dry speech: a room, noise, a microphone, a channel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stt.audio.augmentation.device import MAX_RIR_SECONDS
from stt.audio.augmentation.host import apply_codec
from stt.audio.augmentation.noise_and_rirs import read_noise, read_rirs
from stt.audio.io import Waveform
from stt.corpus.synthesis import sound

CODECS = (("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("WAV", "GSM610"), ("WAV", "ULAW"), ("WAV", "ALAW"))


@dataclass(frozen=True)
class Recordings:
    """Arrays of the user's recordings in files, which the processes that synthesize map into memory."""

    noise: Path | None = None  # (sample,)
    rirs: Path | None = None  # (room, sample), without the direct sound


def store_recordings(noise: Path | None, rirs: Path | None, sample_rate: int, folder: Path) -> Recordings:
    """Read folders of noise and RIRs at a sample rate in Hz, and store them as arrays in `folder`.

    Raises:
        InputError: a folder is missing or contains no readable audio.
    """
    stored = Recordings(noise and folder / "noise.npy", rirs and folder / "rirs.npy")
    folder.mkdir(parents=True)
    if noise and stored.noise:
        np.save(stored.noise, read_noise(str(noise), sample_rate).numpy())
    if rirs and stored.rirs:
        np.save(stored.rirs, read_rirs(str(rirs), sample_rate, MAX_RIR_SECONDS).numpy())
    return stored


class Scenes:
    """A different scene for every utterance."""

    def __init__(self, sample_rate: int, recordings: Recordings) -> None:
        """Map the recordings into memory; without them, noise and rooms are synthetic.

        Args:
            sample_rate: of all waveforms, Hz.
            recordings: the user's noise and RIRs.
        """
        self.sample_rate = sample_rate
        # Copied when written to, which nothing does: torch warns of arrays that cannot be.
        self._noise = None if recordings.noise is None else np.load(recordings.noise, mmap_mode="c")
        self._rirs = None if recordings.rirs is None else np.load(recordings.rirs, mmap_mode="r")

    def record(self, speech: Waveform, rng: np.random.Generator) -> Waveform:
        """Let dry speech (sample,) sound as in a random scene, with up to half a second of it before and after."""
        pauses = rng.uniform(0.05, 0.5, 2) * self.sample_rate
        waveform = np.pad(speech, (int(pauses[0]), int(pauses[1])))
        if rng.random() < 0.6:
            waveform = self._room(waveform, rng)
        waveform = sound.mix(waveform, self._background(len(waveform), rng), rng.uniform(5, 40))
        if rng.random() < 0.1:
            waveform = sound.mix(waveform, sound.music_bed(len(waveform), self.sample_rate, rng), rng.uniform(8, 25))
        if rng.random() < 0.3:
            waveform = sound.compress(waveform, rng.uniform(0.5, 2.5))
        if rng.random() < 0.4:
            high = rng.uniform(0.4, 0.95) * self.sample_rate / 2
            waveform = sound.band(waveform, self.sample_rate, rng.uniform(30, 300), high)
        waveform = sound.normalize_peak(waveform, float(np.exp(rng.uniform(np.log(0.1), np.log(0.95)))))
        if rng.random() < 0.3:
            codec = CODECS[int(rng.integers(len(CODECS)))]
            waveform = apply_codec(waveform, self.sample_rate, *codec, level=rng.uniform(0, 0.8))
        return waveform

    def _room(self, waveform: Waveform, rng: np.random.Generator) -> Waveform:
        direct_db = rng.uniform(-3, 12)
        if self._rirs is None:
            return sound.room(waveform, self.sample_rate, rng.uniform(0.15, 0.8), direct_db, rng)
        return sound.reverberate(waveform, np.array(self._rirs[rng.integers(len(self._rirs))]), direct_db, 0)

    def _background(self, length: int, rng: np.random.Generator) -> Waveform:
        if self._noise is None or rng.random() < 0.5:
            return sound.colored_noise(length, rng.uniform(0, 2), rng)
        return sound.cut(self._noise, length, rng)
