"""Pauses that a network is not given: between speech, long ones spoil what it hears of the words around them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stt.audio.io import Waveform
from stt.recognition.windows import Window

LONG_SECONDS = 0.64  # from here on, a pause is shortened
KEPT_SECONDS = 0.16  # of a long pause, next to the speech on each side
SILENCE_DB = -90.0  # of full scale: nobody speaks, whatever else there is
FAR_BELOW_DB = 35.0  # the loudest frames: nobody speaks
BELOW_DB = 20.0  # the loudest frames, and no more than this above the quietest: nobody speaks, in noise
ABOVE_FLOOR_DB = 10.0
FORGOTTEN_DB = 1.0  # of the loudest frames, for each window in between
WINDOWS_AHEAD = 4  # of a recording: so long may a pause at its beginning be
LOUDEST, QUIETEST = 0.95, 0.1  # quantiles of the frames' power


def with_loudness(windows: Iterable[Window], hop: int, ahead: int = WINDOWS_AHEAD) -> Iterator[Window]:
    """Set `loudest` of the successive windows of a recording: that of a pause alone is the speech around it.

    Args:
        windows: successive windows.
        hop: samples of a frame.
        ahead: windows after each that are waited for; 0 for a stream, which shall not wait.
    """
    waiting: deque[tuple[Window, float]] = deque()
    before = -math.inf

    def next_window() -> Window:
        nonlocal before
        window, here = waiting.popleft()
        before = max(here, before - FORGOTTEN_DB)
        after = [level - FORGOTTEN_DB * distance for distance, (_, level) in enumerate(waiting, 1)]
        return replace(window, loudest=max([before, *after]))

    for window in windows:
        waiting.append((window, float(np.quantile(_power(window.samples, hop), LOUDEST, method="higher"))))
        if len(waiting) > ahead:
            yield next_window()
    while waiting:
        yield next_window()


def heard_frames(
    waveform: Waveform,
    hop: int,
    sample_rate: int,
    loudest: float = -math.inf,
    speech: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return which frames (frame,) of a waveform (sample,) the network is given: all but most of each long pause.

    Features are normalized over some seconds, so that a long pause changes the words around it: with two seconds of
    silence between them, a network that was trained on speech without pauses misses twenty times as many words
    (docs/transcribing.md). Someone who speaks far more softly than another is kept where there is no noise to match.

    Args:
        waveform: a window.
        hop: samples of a frame; the last one may be shorter.
        sample_rate: Hz.
        loudest: decibels of full scale of the loudest frames around the window, if it has no louder ones.
        speech: frames that a detector takes for speech (frame,); all others are part of pauses. None: there is none.
    """
    quiet = _is_quiet(_power(waveform, hop), loudest)
    if speech is not None:
        quiet |= ~speech
    heard = np.ones(len(quiet), np.bool_)
    long, kept = (max(1, round(seconds * sample_rate / hop)) for seconds in (LONG_SECONDS, KEPT_SECONDS))
    edges = np.flatnonzero(np.diff(quiet, prepend=False, append=False)).tolist()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= long:
            heard[start + kept if start else 0 : end - kept if end < len(quiet) else end] = False
    return heard


def _is_quiet(power: npt.NDArray[np.float64], loudest: float) -> npt.NDArray[np.bool_]:
    if not len(power):
        return np.zeros(0, np.bool_)
    loudest = max(loudest, float(np.quantile(power, LOUDEST, method="higher")))
    in_noise = (power < loudest - BELOW_DB) & (power < np.quantile(power, QUIETEST) + ABOVE_FLOOR_DB)
    return np.asarray((power < max(SILENCE_DB, loudest - FAR_BELOW_DB)) | in_noise)


def _power(waveform: Waveform, hop: int) -> npt.NDArray[np.float64]:
    """Return the power of each frame (frame,), decibels of full scale."""
    frames = -(-len(waveform) // hop)
    squares = np.square(np.pad(waveform, (0, frames * hop - len(waveform))).reshape(frames, hop), dtype=np.float64)
    return np.asarray(10 * np.log10(squares.mean(axis=1) + 1e-12))
