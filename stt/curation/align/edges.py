"""Where a piece begins and ends: in the pause beside it, which the level of the sound shows better than the frames do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.curation.align.outputs import LEVEL_SECONDS
from stt.curation.align.pieces import Piece
from stt.curation.align.words import Alignment

REACH_SECONDS = 1.0  # beyond the first or last token of a piece, where its first or last sound is looked for
PAUSE_SECONDS = 0.1  # that counts as one: the closure of a stop is shorter
PAD_SECONDS = 0.05  # of the pause that are kept on each side, at most half of it
QUIET = 0.3  # of the way from the lowest to the usual level of the piece, dB
SMOOTH = 3  # levels that are averaged

Levels = npt.NDArray[np.float32]


class Edges:
    """Finds the edges of pieces in the pauses around them."""

    def __init__(self, alignment: Alignment) -> None:
        """Prepare an alignment."""
        self.alignment = alignment
        speech = np.flatnonzero(alignment.unwritten | _within_tokens(alignment))
        self.speech = speech  # frames in which something is said
        self.levels = np.convolve(alignment.outputs.levels, np.full(SMOOTH, 1 / SMOOTH), mode="same")

    def of(self, piece: Piece) -> tuple[float, float]:
        """Return the start and the end of a piece whose first and last words are found, seconds."""
        alignment, seconds = self.alignment, self.alignment.outputs.frame_seconds
        first, last = int(alignment.first[piece.first]), int(alignment.last[piece.end - 1])
        index = np.searchsorted(self.speech, first)
        before = (self.speech[index - 1] + 1) * seconds if index else 0.0
        index = np.searchsorted(self.speech, last, side="right")
        after = self.speech[index] * seconds if index < len(self.speech) else alignment.outputs.seconds
        start, end = first * seconds, (last + 1) * seconds
        usual = float(np.percentile(self._part(start - 0.2, end + 0.2), 90))
        # The first token may be emitted where its sound begins, the last one where it ends.
        start = self._edge(max(before, start - REACH_SECONDS), start + seconds, usual, backwards=True)
        end = self._edge(end - seconds, min(after, end + REACH_SECONDS), usual, backwards=False)
        return max(0.0, start), min(end, alignment.outputs.seconds)

    def _part(self, start: float, end: float) -> Levels:
        first = max(0, round(start / LEVEL_SECONDS))
        return self.levels[first : max(first + 1, round(end / LEVEL_SECONDS))]

    def _edge(self, start: float, end: float, usual: float, backwards: bool) -> float:
        """Return the edge in the pause that is nearest to the piece between two times, or else where it is quietest."""
        levels = self._part(start, end)
        if backwards:
            levels = levels[::-1]
        lowest = float(levels.min())
        quiet = levels < lowest + QUIET * max(usual - lowest, 0.0)
        pause = _first_run(quiet, round(PAUSE_SECONDS / LEVEL_SECONDS))
        if pause is None:
            offset = float(levels.argmin()) * LEVEL_SECONDS
        else:
            offset = pause[0] * LEVEL_SECONDS + min(PAD_SECONDS, (pause[1] - pause[0]) * LEVEL_SECONDS / 2)
        return end - offset if backwards else start + offset


def _within_tokens(alignment: Alignment) -> npt.NDArray[np.bool_]:
    spoken = np.zeros(len(alignment.unwritten), np.bool_)
    found = alignment.found
    spoken[alignment.first[found]] = True
    spoken[alignment.last[found]] = True
    return spoken


def _first_run(flags: npt.NDArray[np.bool_], length: int) -> tuple[int, int] | None:
    """Return the first run of true flags that is long enough, as its start and end."""
    changes = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    for start, end in changes.reshape(-1, 2):
        if end - start >= length or end == len(flags):
            return int(start), int(end)
    return None
