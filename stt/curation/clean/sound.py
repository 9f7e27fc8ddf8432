"""What the samples of an utterance tell: how much is silent or clipped, how loud and how noisy it is, and its hash."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from typing import NamedTuple

import numpy as np

from stt.audio.io import AudioError, durations_agree, read_native
from stt.audio.levels import estimate_snr, frame_levels, loudest_level, silent_share
from stt.audio.waveform import Waveform, resample
from stt.corpus.manifest import Manifest

FULL_SCALE = 0.999  # one step of 8 bits below 1 is less: such audio has no clipping that could be counted
DIGEST_BYTES = 16  # two of 10^9 utterances share a hash with a probability of 10^-21


class Sound(NamedTuple):
    """Figures of the samples of an utterance, at the sample rate of its file."""

    silence: float = math.nan  # share of silent frames
    level: float = math.nan  # of the loudest parts, dB relative to full scale
    clipping: float = math.nan  # share of the samples that are at full scale
    snr: float = math.nan  # estimated, dB
    digest: bytes | None = None  # of rate and samples

    @classmethod
    def of(cls, waveform: Waveform, sample_rate: int) -> Sound:
        """Measure a waveform (sample,) in [-1, 1]."""
        levels = frame_levels(waveform, sample_rate)
        clipped = np.count_nonzero((waveform >= FULL_SCALE) | (waveform <= -FULL_SCALE))
        digest = hashlib.blake2b(str(sample_rate).encode(), digest_size=DIGEST_BYTES)
        digest.update(np.ascontiguousarray(waveform).data)
        return cls(
            silent_share(levels), loudest_level(levels), clipped / len(waveform), estimate_snr(levels), digest.digest()
        )


class MeasuredManifest(Manifest):
    """A manifest whose audio is measured when it is read, so that it is read once."""

    @classmethod
    def of(cls, manifest: Manifest) -> MeasuredManifest:
        """Return the same rows, of which nothing was read."""
        return cls(manifest.table, manifest.path, manifest.parts)

    @cached_property
    def sounds(self) -> dict[int, Sound]:
        """Figures of the rows that were read."""
        return {}

    def waveform(self, row: int, sample_rate: int) -> Waveform:
        """Read and measure a row's audio, and return it as a waveform (sample,) at `sample_rate` Hz."""
        waveform, rate = self._read(row)
        return resample(waveform, rate, sample_rate)

    def measure(self, row: int) -> None:
        """Read and measure a row's audio, unless that was done.

        Raises:
            AudioError: it cannot be read, or has another duration than in the manifest; the message names the row.
        """
        if row not in self.sounds:
            self._read(row)

    def _read(self, row: int) -> tuple[Waveform, int]:
        try:
            waveform, rate = read_native(self.audio(row), *self.window(row))
        except AudioError as error:
            raise AudioError(f"{self.where(row)}: {error}") from error
        expected, found = float(self.durations[row]), len(waveform) / rate
        if not durations_agree(expected, found):
            raise AudioError(f"{self.where(row)}: {self.audio(row)}: expected {expected:g} s, found {found:.2f} s")
        self.sounds[row] = Sound.of(waveform, rate)
        return waveform, rate
