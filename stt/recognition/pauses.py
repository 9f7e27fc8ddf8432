"""Pauses that a network is not given: between speech, long ones spoil what it hears of the words around them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.audio.io import Waveform

LONG_SECONDS = 0.64  # from here on, a pause is shortened
KEPT_SECONDS = 0.16  # of a long pause, next to the speech on each side
SILENCE_DB = -90.0  # of full scale: nobody speaks, whatever else there is
FAR_BELOW_DB = 35.0  # the loudest frames: nobody speaks
BELOW_DB = 20.0  # the loudest frames, and no more than this above the quietest: nobody speaks, in noise
ABOVE_FLOOR_DB = 10.0
LOUDEST, QUIETEST = 0.95, 0.1  # quantiles of the frames' power


def heard_frames(
    waveform: Waveform, hop: int, sample_rate: int, speech: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """Return which frames (frame,) of a waveform (sample,) the network is given: all but most of each long pause.

    Features are normalized over some seconds, so that a long pause changes the words around it: with two seconds of
    silence between them, a network that was trained on speech without pauses misses ten to forty times as many
    (docs/transcribing.md). Someone who speaks far more softly than another is kept where there is no noise to match.

    Args:
        waveform: a window.
        hop: samples of a frame; the last one may be shorter.
        sample_rate: Hz.
        speech: frames that a detector takes for speech (frame,); all others are part of pauses. None: there is none.
    """
    quiet = _is_quiet(waveform, hop)
    if speech is not None:
        quiet |= ~speech
    heard = np.ones(len(quiet), np.bool_)
    long, kept = (max(1, round(seconds * sample_rate / hop)) for seconds in (LONG_SECONDS, KEPT_SECONDS))
    edges = np.flatnonzero(np.diff(quiet, prepend=False, append=False)).tolist()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= long:
            heard[start + kept if start else 0 : end - kept if end < len(quiet) else end] = False
    return heard


def _is_quiet(waveform: Waveform, hop: int) -> npt.NDArray[np.bool_]:
    frames = -(-len(waveform) // hop)
    squares = np.square(np.pad(waveform, (0, frames * hop - len(waveform))).reshape(frames, hop), dtype=np.float64)
    power = 10 * np.log10(squares.mean(axis=1) + 1e-12)
    if not frames:
        return np.zeros(0, np.bool_)
    loudest, quietest = np.quantile(power, LOUDEST, method="higher"), np.quantile(power, QUIETEST)
    in_noise = (power < loudest - BELOW_DB) & (power < quietest + ABOVE_FLOOR_DB)
    return np.asarray((power < max(SILENCE_DB, loudest - FAR_BELOW_DB)) | in_noise)
