"""The best path of a text through the log-probabilities of a recording of hours: CTC's trellis, in a band.

Viterbi over the extended CTC trellis (Graves et al. 2006, "Connectionist Temporal Classification"; for long recordings
Kürzinger et al. 2020, "CTC-Segmentation of Large Corpora for German End-to-end Speech Recognition"), with two
additions, both at a price. Between words, frames in which something else is said may be passed over: speech that is not
in the text. And words may be skipped, any number at once: text that is not spoken.

Memory does not grow with frames times tokens. Scores are stored at the beginning of every block of frames only; the way
back is found block by block from the end, each of which is computed a second time (Grice, Hughey and Speck 1997,
"Reduced space sequence alignment").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STAY, ENTER, FOLLOW = 0, 1, 2  # a token is reached from itself, from the blank before it, from the token before it

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Prices:
    """What is paid, in nats, for what text and audio do not have in common."""

    unwritten: float = 1.5  # a frame between words whose best token is passed over
    unspoken: float = 2.5  # a token that is skipped, with its word


@dataclass(frozen=True)
class Block:
    """Frames from `first` to `end`, and the words from `low` to `high` that the path may visit in them."""

    first: int
    end: int
    low: int
    high: int


@dataclass(frozen=True)
class Path:
    """The best path through the frames of a recording."""

    tokens: Ints  # (frame,) index in the text of the token that the frame belongs to; -1 for none
    words: Ints  # (frame,) index of the word that the frame belongs to, or that comes next
    unwritten: Bools  # (frame,) passed over, though something is said
    costs: Floats  # (frame,) at most 0, relative to the best token of the frame
    skipped: Bools  # (word,)
    score: float  # of the whole path


class Trellis:
    """Finds the best path of a text, whose words are sequences of tokens."""

    def __init__(self, tokens: Ints, bounds: Ints, blank: int, prices: Prices) -> None:
        """Prepare a text.

        Args:
            tokens: the tokens of all words (token,).
            bounds: index of the first token of each word, and the number of tokens (word + 1,); no word is empty.
            blank: index of the blank.
            prices: in nats.
        """
        self.tokens = tokens
        self.bounds = bounds
        self.blank = blank
        self.prices = prices
        # From a token straight to the next, which must be another.
        self._follow = np.where(np.diff(tokens, prepend=-1) != 0, 0.0, -np.inf).astype(np.float32)

    def best_path(self, outputs: Callable[[int, int], Floats], blocks: Sequence[Block]) -> Path:
        """Return the best path within the blocks.

        Args:
            outputs: returns the log_probs (frame, vocab) of frames from one to another, relative to the best token of
                each frame.
            blocks: successive frames, with overlapping words; the first begins with the first word, the last ends with
                the last.
        """
        stored: list[_Scores] = []
        scores, total = _Scores.start(blocks[0], self.bounds, self.prices), 0.0
        for block in blocks:
            stored.append(scores)
            scores = self._forward(outputs(block.first, block.end), block, scores, None)
            total += scores.normalize()
        trace = _Trace(self, blocks[-1].end, scores)
        for block, before in zip(reversed(blocks), reversed(stored), strict=True):
            emissions = outputs(block.first, block.end)
            back = _Back(block, self.bounds)
            self._forward(emissions, block, before, back)
            trace.follow(emissions, block, back)
        return trace.path(total + scores.last)

    def _forward(self, emissions: Floats, block: Block, before: _Scores, back: _Back | None) -> _Scores:
        """Return the scores after a block, given those before it; store the way back, if it is wanted."""
        first, end = int(self.bounds[block.low]), int(self.bounds[block.high])
        tokens, blanks = before.within(first, end)
        labels, follow = self.tokens[first:end], self._follow[first + 1 : end]
        between = self.bounds[block.low : block.high + 1] - first  # the blanks between words
        paid = between * self.prices.unspoken
        for t, row in enumerate(emissions):
            blank = row[self.blank]
            entered = np.maximum(tokens, blanks[:-1])
            followed = tokens[:-1] + follow
            left = np.maximum(blanks[1:], tokens)
            if back is not None:
                np.greater(tokens, blanks[1:], out=back.left[t])
                np.greater(blanks[:-1], tokens, out=back.reached[t].view(np.bool_))
                back.reached[t, 1:][followed > entered[1:]] = FOLLOW
            np.maximum(entered[1:], followed, out=entered[1:])
            tokens = entered + row[labels]
            blanks = np.concatenate((blanks[:1], left)) + blank
            bounds = blanks[between] + (max(blank, -self.prices.unwritten) - blank)
            owed = bounds + paid
            best = np.maximum.accumulate(owed)
            skips = best > owed
            blanks[between] = np.where(skips, best - paid, bounds)
            if back is not None:
                back.skips[t] = skips
        return _Scores(first, tokens, blanks)


class _Scores:
    """The scores of the tokens from `first` on, and of the blanks before each of them and after the last."""

    def __init__(self, first: int, tokens: Floats, blanks: Floats) -> None:
        self.first = first
        self.tokens = tokens
        self.blanks = blanks

    @classmethod
    def start(cls, block: Block, bounds: Ints, prices: Prices) -> _Scores:
        """Return the scores before the first frame: no word, or some that are skipped."""
        count = int(bounds[block.high])
        tokens, blanks = (np.full(length, -np.inf, np.float32) for length in (count, count + 1))
        reached = bounds[: block.high + 1]
        blanks[reached] = -prices.unspoken * reached
        return cls(0, tokens, blanks)

    def within(self, first: int, end: int) -> tuple[Floats, Floats]:
        """Return the scores of the tokens from `first` to `end` and the blanks around them."""
        tokens, blanks = (np.full(length, -np.inf, np.float32) for length in (end - first, end - first + 1))
        offset = first - self.first
        shared = self.tokens[offset : offset + end - first]
        tokens[: len(shared)] = shared
        shared = self.blanks[offset : offset + end - first + 1]
        blanks[: len(shared)] = shared
        return tokens, blanks

    def normalize(self) -> float:
        """Make the best score 0, so that float32 is enough; return what was subtracted."""
        best = np.float32(max(self.tokens.max(), self.blanks.max()))
        self.tokens -= best
        self.blanks -= best
        return float(best)

    @property
    def last(self) -> float:
        """The score of the end of the text."""
        return float(max(self.tokens[-1], self.blanks[-1]))


class _Back:
    """The way back through a block: a byte for each frame and token, and for each frame and blank."""

    def __init__(self, block: Block, bounds: Ints) -> None:
        frames, count = block.end - block.first, int(bounds[block.high] - bounds[block.low])
        self.reached = np.zeros((frames, count), np.uint8)  # how each token is reached
        self.left = np.zeros((frames, count), np.bool_)  # whether the blank after each token is reached from it
        self.skips = np.zeros((frames, block.high - block.low + 1), np.bool_)  # whether the word before is skipped


class _Trace:
    """Follows the best path from its end to its beginning."""

    def __init__(self, trellis: Trellis, frames: int, scores: _Scores) -> None:
        self.trellis = trellis
        self.index = len(trellis.tokens)  # of the blank or token where the path is
        self.in_token = bool(scores.tokens[-1] > scores.blanks[-1])
        if self.in_token:
            self.index -= 1
        self.word = len(trellis.bounds) - 1  # of the blank between words where the path is, or that comes before
        self.tokens = np.full(frames, -1)
        self.words = np.zeros(frames, np.int64)
        self.unwritten = np.zeros(frames, np.bool_)
        self.costs = np.zeros(frames, np.float32)
        self.skipped = np.zeros(len(trellis.bounds) - 1, np.bool_)

    def follow(self, emissions: Floats, block: Block, back: _Back) -> None:
        """Follow the path from the end of a block to its beginning."""
        bounds, labels, blank = self.trellis.bounds, self.trellis.tokens, self.trellis.blank
        first = int(bounds[block.low])
        price = -self.trellis.prices.unwritten
        for t in range(len(emissions) - 1, -1, -1):
            frame = block.first + t
            while self._between() and back.skips[t, self.word - block.low]:
                self._skip()
            self.words[frame] = self.word
            if self.in_token:
                self.tokens[frame] = self.index
                self.costs[frame] = emissions[t, labels[self.index]]
                came = back.reached[t, self.index - first]
                self.in_token = bool(came != ENTER)
                self._move(self.index - int(came == FOLLOW))
            else:
                self.costs[frame] = emissions[t, blank]
                if self._between() and price > self.costs[frame]:
                    self.unwritten[frame], self.costs[frame] = True, price
                if self.index > first and back.left[t, self.index - 1 - first]:
                    self.in_token = True
                    self._move(self.index - 1)

    def path(self, score: float) -> Path:
        """Return the path, whose beginning is reached: words before it are skipped."""
        while self.index:
            self._skip()
        return Path(self.tokens, self.words, self.unwritten, self.costs, self.skipped, score)

    def _between(self) -> bool:
        """Whether the path is at a blank between words."""
        return not self.in_token and self.index == int(self.trellis.bounds[self.word])

    def _skip(self) -> None:
        self.skipped[self.word - 1] = True
        self._move(int(self.trellis.bounds[self.word - 1]))

    def _move(self, index: int) -> None:
        self.index = index
        while self.trellis.bounds[self.word] > index:
            self.word -= 1
