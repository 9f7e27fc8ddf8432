"""Windows of a long recording: cut where it is quiet, with context on both sides that the network hears as well."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from stt.audio.io import Waveform

SHORTEST = 0.6  # of the longest core: no cut is earlier


@dataclass(frozen=True)
class Window:
    """A part of a recording for the network; the frames of its core are the recording's, those around it are not."""

    samples: Waveform  # context, core, context
    start: int  # first frame of the core, in the recording
    before: int  # frames of context before the core
    core: int | None  # frames of the core; None for all that follow: the end of the recording
    loudest: float = -math.inf  # decibels of full scale, of the recording around here


def cut_windows(
    blocks: Iterable[Waveform], hop: int, longest: int, context: int, pause: int, whole: int
) -> Iterator[Window]:
    """Cut a recording into windows, whose cores follow each other without a gap.

    An empty recording has none. Memory does not grow with the recording: no more is read than a window and a block.

    Args:
        blocks: the recording, as successive parts (sample,) of any length.
        hop: samples per output frame of the network; all cuts are multiples of it.
        longest: samples of a core at most.
        context: samples on each side of a core; fewer at the beginning and the end of the recording.
        pause: samples over which the power is averaged on each side of a cut.
        whole: samples of a recording at most that is not cut.
    """
    longest, context = max(1, longest // hop) * hop, context // hop * hop
    width = max(1, pause // hop)
    source = iter(blocks)
    buffer = np.zeros(0, np.float32)
    core = start = 0  # the core's first sample in the buffer, and its first frame in the recording
    ended = False
    while True:
        needed = longest + context if start else max(longest + context, whole)
        while not ended and len(buffer) - core <= needed:
            block = next(source, None)
            ended = block is None
            buffer = buffer if block is None else np.concatenate((buffer, block))
        if len(buffer) - core <= (longest if start else max(longest, whole)):  # the recording has ended
            if len(buffer) > core:
                yield Window(buffer, start, core // hop, None)
            return
        cut = _quietest(buffer[core : core + longest + context], hop, longest // hop, width)
        yield Window(buffer[: core + (cut * hop) + context], start, core // hop, cut)
        dropped = max(0, core + cut * hop - context)
        buffer = buffer[dropped:]
        core, start = core + cut * hop - dropped, start + cut


def _quietest(waveform: Waveform, hop: int, longest: int, width: int) -> int:
    """Return the quietest place for a cut, in frames, late in the first `longest` frames of a waveform."""
    frames = len(waveform) // hop
    power = np.square(waveform[: frames * hop].reshape(frames, hop), dtype=np.float64).mean(axis=1)
    total = np.append(0.0, np.cumsum(power))
    cuts = np.arange(longest, max(1, round(SHORTEST * longest)) - 1, -1)  # of equally quiet ones, the last
    first, last = np.maximum(cuts - width, 0), np.minimum(cuts + width, frames)
    return int(cuts[((total[last] - total[first]) / (last - first)).argmin()])
