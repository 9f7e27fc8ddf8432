"""Levels of a waveform frame by frame, and what they tell of silence and noise; needs nothing but numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.audio.waveform import Waveform

Levels = npt.NDArray[np.float32]  # (frame,) dB relative to full scale
FRAME_SECONDS = 0.02
LOUD, QUIET = 0.9, 0.1  # quantiles of the frame levels
LOUDEST = 0.99  # quantile of the level of the loudest parts: a few milliseconds of a click do not count
POWER_FLOOR = 1e-10  # -100 dB, so that digital silence has a finite level
SILENT_BELOW_LOUDEST = 40.0  # dB by which silence is below the loudest parts
SILENT_BELOW = -80.0  # dB: the last bits of 16, whatever else there is
MAX_SNR = 100.0  # dB, of estimates


def frame_levels(waveform: Waveform, sample_rate: int) -> Levels:
    """Return the level of every frame of 20 ms; samples after the last whole frame belong to none.

    Args:
        waveform: (sample,) in [-1, 1], at least one sample.
        sample_rate: Hz.
    """
    size = max(1, min(int(FRAME_SECONDS * sample_rate), len(waveform)))
    frames = waveform[: len(waveform) // size * size].reshape(-1, size)
    power = np.einsum("ij,ij->i", frames, frames) / np.float32(size)
    return np.asarray(10 * np.log10(np.maximum(power, np.float32(POWER_FLOOR))), dtype=np.float32)


def loudest_level(levels: Levels) -> float:
    """Return the level of the loudest parts, dB relative to full scale."""
    return float(np.quantile(levels, LOUDEST))


def silent_share(levels: Levels) -> float:
    """Return the share of frames that are silent: 40 dB below the loudest parts, or below -80 dB."""
    limit = max(loudest_level(levels) - SILENT_BELOW_LOUDEST, SILENT_BELOW)
    return float(np.mean(levels < limit))


def estimate_snr(levels: Levels) -> float:
    """Estimate the SNR, dB: the power of loud frames less that of quiet ones, which are taken for noise alone.

    It is too high for speech without pauses and too low for music. Source: percentiles of the frame energy, as in
    NIST's quick SNR (stnr).
    """
    loud, quiet = np.quantile(levels, [LOUD, QUIET])
    ratio = 10 ** (float(loud - quiet) / 10) - 1
    return float(np.clip(10 * np.log10(max(ratio, 1e-10)), -MAX_SNR, MAX_SNR))
