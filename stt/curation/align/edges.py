"""Where a piece begins and ends: in the pause beside it, which the level of the sound shows better than frames do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.curation.align.outputs import LEVEL_SECONDS
from stt.curation.align.pieces import Piece
from stt.curation.align.words import Alignment

REACH_SECONDS = 0.7  # beyond the first or last token of a piece: its sound begins or ends within them
PAUSE_SECONDS = 0.2  # that counts as one: the closure of a stop is shorter
PAD_SECONDS = 0.04  # of the pause that are kept on each side, at most half of it
ABOVE_DB = 8.0  # the quietest place: sound
BELOW_DB = 25.0  # the loud parts of the piece: no sound
SMOOTHED = 3  # levels
FRAMES_AROUND = 3  # whose levels are those of the piece, besides its own

Levels = npt.NDArray[np.float32]


class Edges:
    """Finds the edges of pieces in the pauses around them."""

    def __init__(self, alignment: Alignment) -> None:
        """Prepare an alignment."""
        self.alignment = alignment
        spoken = alignment.unwritten.copy()
        spoken[alignment.first[alignment.found]] = True
        spoken[alignment.last[alignment.found]] = True
        self.spoken = np.flatnonzero(spoken)  # frames in which something is said; between them may be a pause
        self.levels = np.convolve(alignment.outputs.levels, np.full(SMOOTHED, 1 / SMOOTHED), mode="same")

    def of(self, piece: Piece) -> tuple[float, float]:
        """Return the start and the end of a piece whose first and last words are found, seconds."""
        alignment, seconds = self.alignment, self.alignment.outputs.frame_seconds
        first, last = int(alignment.first[piece.first]), int(alignment.last[piece.end - 1])
        before, after = self._neighbours(first, last)
        around = FRAMES_AROUND * seconds
        usual = float(np.percentile(self._part(first * seconds - around, last * seconds + around), 95))
        # The first token may be emitted before its sound begins, and the last one after it ends.
        start, end = (first + 1) * seconds, last * seconds
        start -= self._distance(self._part(max(before, start - REACH_SECONDS), start)[::-1], usual)
        end += self._distance(self._part(end, min(after, end + REACH_SECONDS)), usual)
        return max(0.0, start), min(end, alignment.outputs.seconds)

    def _neighbours(self, first: int, last: int) -> tuple[float, float]:
        """Return when what is said before a first frame ends, and when what is said after a last frame begins."""
        seconds = self.alignment.outputs.frame_seconds
        before = np.searchsorted(self.spoken, first)
        after = np.searchsorted(self.spoken, last, side="right")
        return (
            (self.spoken[before - 1] + 1) * seconds if before else 0.0,
            self.spoken[after] * seconds if after < len(self.spoken) else self.alignment.outputs.seconds,
        )

    def _part(self, start: float, end: float) -> Levels:
        first = max(0, min(round(start / LEVEL_SECONDS), len(self.levels) - 1))
        return self.levels[first : max(first + 1, round(end / LEVEL_SECONDS))]

    @staticmethod
    def _distance(levels: Levels, usual: float) -> float:
        """Return the seconds from the first level to the edge: in the next pause, or else where it is quietest."""
        quiet = levels < max(float(levels.min()) + ABOVE_DB, usual - BELOW_DB)
        changes = np.flatnonzero(np.diff(quiet, prepend=False, append=False)).reshape(-1, 2)
        pauses = changes[changes[:, 1] - changes[:, 0] >= round(PAUSE_SECONDS / LEVEL_SECONDS)]
        if not len(pauses):
            return (int(levels.argmin()) + 0.5) * LEVEL_SECONDS
        start, end = pauses[0] * LEVEL_SECONDS
        return float(start + min(PAD_SECONDS, (end - start) / 2))
