"""Waveforms in memory, and resampling them: whole or block by block."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Waveform = npt.NDArray[np.float32]
MAX_RATIO = 2_000  # of sample rates; 44,100 to 16,000 Hz is 160 / 441
ZERO_CROSSINGS = 6  # of the windowed sinc on either side
ROLLOFF = 0.99  # cutoff frequency as a fraction of the lower Nyquist frequency
PIECE_SAMPLES = 1 << 22  # resampled at once; limits the memory that hours of audio take
PRODUCT_VALUES = 1 << 18  # of the left matrix of a product: fits into a processor's cache


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
        low, high = sorted((from_rate, to_rate))
        ratio = Fraction(low, high).limit_denominator(MAX_RATIO)  # so that neither number is larger
        self.up, self.down = ratio.numerator, ratio.denominator
        if to_rate > from_rate:
            self.up, self.down = self.down, self.up
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


def _convolve(waveform: Waveform, down: int, up: int) -> Waveform:
    """Resample a waveform (sample,) with silence around it by up / down, as `torchaudio.functional.resample` does."""
    filters = _filters(down, up)
    width = (len(filters) - down) // 2
    periods = -(-len(waveform) // down)
    padded = np.pad(waveform, (width, width + down))
    spans = sliding_window_view(padded, len(filters))[::down][:periods]
    rows = max(1, PRODUCT_VALUES // len(filters))
    resampled = np.empty((periods, up), np.float32)
    for first in range(0, periods, rows):
        np.matmul(np.ascontiguousarray(spans[first : first + rows]), filters, out=resampled[first : first + rows])
    return resampled.reshape(-1)[: -(-len(waveform) * up // down)]


@functools.lru_cache(maxsize=16)
def _filters(down: int, up: int) -> Waveform:
    """Return the polyphase filters (tap, phase): a sinc in a Hann window, sampled at the phase of each output.

    In float32 throughout, as in torchaudio, so that audio is what it was when a network was trained on it.
    """
    cutoff = min(up, down) * ROLLOFF
    width = math.ceil(ZERO_CROSSINGS * down / cutoff)
    taps = np.arange(-width, width + down, dtype=np.float32)[:, np.newaxis] / np.float32(down)
    phases = np.arange(up, dtype=np.float32) / np.float32(up)
    time = np.clip((taps - phases) * np.float32(cutoff), -ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.square(np.cos(time * np.float32(np.pi / ZERO_CROSSINGS / 2)))
    angle = time * np.float32(np.pi)
    sinc = np.divide(np.sin(angle), angle, out=np.ones_like(angle), where=angle != 0)
    return np.ascontiguousarray(sinc * window * np.float32(cutoff / down))
