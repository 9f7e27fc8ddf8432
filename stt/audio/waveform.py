"""Waveforms in memory, and resampling them: whole or block by block."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Waveform = npt.NDArray[np.float32]
MAX_RATIO = 2_000  # of sample rates; 44,100 to 16,000 Hz is 160 / 441
ZERO_CROSSINGS = 6  # of the windowed sinc on either side
ROLLOFF = 0.99  # cutoff frequency as a fraction of the lower Nyquist frequency
PIECE_SAMPLES = 1 << 22  # resampled at once; limits the memory that hours of audio take


def resample(waveform: Waveform, from_rate: int, to_rate: int) -> Waveform:
    """Resample a waveform (sample,) with a windowed sinc; rates in Hz."""
    resampler = Resampler(from_rate, to_rate)
    last = max(len(waveform) - 1, 0) // PIECE_SAMPLES
    pieces = [
        resampler(waveform[index * PIECE_SAMPLES : (index + 1) * PIECE_SAMPLES], index == last)
        for index in range(last + 1)
    ]
    return pieces[0] if last == 0 else np.concatenate(pieces)


class Resampler:
    """Resamples successive blocks of a waveform; together they equal the resampled whole, up to float rounding.

    A block is returned up to where the filter needs the samples of the next one.

    Args:
        from_rate: rate of the blocks, Hz.
        to_rate: rate to resample to, Hz.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        # The filter for 44,101 to 16,000 Hz would take gigabytes; a ratio of small numbers is less than 0.03 % off.
        ratio = Fraction(to_rate, from_rate).limit_denominator(MAX_RATIO)
        self.up, self.down = ratio.numerator, ratio.denominator
        support = math.ceil(ZERO_CROSSINGS * self.down / (min(self.up, self.down) * ROLLOFF))
        # The filter's phase repeats every `down` samples, so that blocks start at multiples of it.
        self._context = math.ceil(support / self.down) * self.down
        self._received = self._returned = 0
        self._pending: Waveform = np.zeros(self._context, np.float32)  # before the start there is silence

    def __call__(self, block: Waveform, last: bool = False) -> Waveform:
        """Resample the next block (sample,) of any length; `last` returns all that remains as well."""
        if self.up == self.down:
            return block
        self._received += len(block)
        silence = np.zeros(self._context + self.down if last else 0, np.float32)
        self._pending = np.concatenate([self._pending, block, silence])
        periods = max(len(self._pending) - 2 * self._context, 0) // self.down
        if not periods:
            return np.empty(0, np.float32)
        ready = _convolve(self._pending[: 2 * self._context + periods * self.down], self.down, self.up)
        self._pending = self._pending[periods * self.down :]
        skip = self._context // self.down * self.up
        ready = ready[skip : skip + periods * self.up]
        if last:
            ready = ready[: math.ceil(Fraction(self._received * self.up, self.down)) - self._returned]
        self._returned += len(ready)
        return ready


def _convolve(waveform: Waveform, from_rate: int, to_rate: int) -> Waveform:
    import torch  # imported here because it takes seconds, which commands that read no audio should not pay for
    import torchaudio.functional

    resampled = torchaudio.functional.resample(torch.from_numpy(waveform), from_rate, to_rate, ZERO_CROSSINGS, ROLLOFF)
    return np.asarray(resampled.numpy(), dtype=np.float32)
