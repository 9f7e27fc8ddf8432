"""The best path of a text through the log-probabilities of a recording of hours: CTC's trellis, in a band.

Viterbi over the extended CTC trellis (Graves et al. 2006, "Connectionist Temporal Classification"; for long recordings
Kürzinger et al. 2020, "CTC-Segmentation of Large Corpora for German End-to-end Speech Recognition"), with two
additions, both at a price. Between words, frames in which something else is said may be passed over: speech that is not
in the text. And words may be skipped, any number at once: text that is not spoken. Both cost less where they concern
whole sentences.

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

    unwritten: float = 3.0  # a frame between sentences whose best token is passed over
    unwritten_inside: float = 6.0  # the same between the words of a sentence
    unspoken: float = 4.0  # a token that is skipped with its sentence
    unspoken_inside: float = 8.0  # a token that is skipped with its word only


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

    def __init__(self, tokens: Ints, bounds: Ints, sentences: Ints, blank: int, prices: Prices) -> None:
        """Prepare a text.

        Args:
            tokens: the tokens of all words (token,).
            bounds: index of the first token of each word, and the number of tokens (word + 1,); no word is empty.
            sentences: index of the first word of each sentence, of which the first is 0 (sentence,).
            blank: index of the blank.
            prices: in nats.
        """
        self.tokens = tokens
        self.bounds = bounds
        self.sentences = np.append(sentences, len(bounds) - 1)
        self.blank = blank
        self.prices = prices
        self.passing = np.full(len(bounds), prices.unwritten_inside)  # price of a frame before each word
        self.passing[self.sentences] = prices.unwritten
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
        scores, total = self._start(blocks[0]), 0.0
        for block in blocks:
            stored.append(scores)
            scores = self._forward(outputs(block.first, block.end), block, scores, None)
            total += scores.normalize()
        trace = _Trace(self, blocks[-1].end, scores)
        for block, before in zip(reversed(blocks), reversed(stored), strict=True):
            emissions = outputs(block.first, block.end)
            back = _Back(self, block)
            self._forward(emissions, block, before, back)
            trace.follow(emissions, block, back)
        return trace.path(total + scores.last)

    def _start(self, block: Block) -> _Scores:
        """Return the scores before the first frame: at the first word, or after some that are skipped."""
        count = int(self.bounds[block.high])
        tokens, blanks = (np.full(length, -np.inf, np.float32) for length in (count, count + 1))
        words = np.arange(block.high + 1)
        begun = self.bounds[self.sentences[np.searchsorted(self.sentences, words, side="right") - 1]]
        reached = self.bounds[words]
        blanks[reached] = -self.prices.unspoken * begun - self.prices.unspoken_inside * (reached - begun)
        return _Scores(0, tokens, blanks)

    def _forward(self, emissions: Floats, block: Block, before: _Scores, back: _Back | None) -> _Scores:
        """Return the scores after a block, given those before it; store the way back, if it is wanted."""
        first, end = int(self.bounds[block.low]), int(self.bounds[block.high])
        tokens, blanks = before.within(first, end)
        labels, follow = self.tokens[first:end], self._follow[first + 1 : end]
        between = self.bounds[block.low : block.high + 1] - first  # the blanks between words
        passing = -self.passing[block.low : block.high + 1]
        whole = self.between_sentences(block)
        paid_words = between * self.prices.unspoken_inside
        paid_sentences = between[whole] * self.prices.unspoken
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
            bounds = blanks[between] + (np.maximum(blank, passing) - blank)
            bounds[whole], sentences = _skip(bounds[whole], paid_sentences)
            blanks[between], words = _skip(bounds, paid_words)
            if back is not None:
                back.sentences[t], back.words[t] = sentences, words
        return _Scores(first, tokens, blanks)

    def between_sentences(self, block: Block) -> Ints:
        """Return the words, from the lowest of a block on, before which a sentence begins, or the text ends."""
        first, end = np.searchsorted(self.sentences, [block.low, block.high + 1])
        return self.sentences[first:end] - block.low


def _skip(scores: npt.NDArray[np.float64], paid: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], Bools]:
    """Return scores with those that are better when words or sentences are skipped, and where they are.

    Args:
        scores: before each word or sentence, and after the last.
        paid: price of skipping all that is before it.
    """
    owed = scores + paid
    best = np.maximum.accumulate(owed)
    skips = best > owed
    return np.where(skips, best - paid, scores), skips


class _Scores:
    """The scores of the tokens from `first` on, and of the blanks before each of them and after the last."""

    def __init__(self, first: int, tokens: Floats, blanks: Floats) -> None:
        self.first = first
        self.tokens = tokens
        self.blanks = blanks

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
    """The way back through a block: two bytes for each frame and token."""

    def __init__(self, trellis: Trellis, block: Block) -> None:
        frames, words = block.end - block.first, block.high - block.low
        count = int(trellis.bounds[block.high] - trellis.bounds[block.low])
        self.reached = np.zeros((frames, count), np.uint8)  # how each token is reached
        self.left = np.zeros((frames, count), np.bool_)  # whether the blank after each token is reached from it
        self.words = np.zeros((frames, words + 1), np.bool_)  # whether the word before is skipped
        self.starts = trellis.between_sentences(block) + block.low
        self.sentences = np.zeros((frames, len(self.starts)), np.bool_)  # whether the sentence before is skipped


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
        for t in range(len(emissions) - 1, -1, -1):
            frame = block.first + t
            if self._between():
                self._skip_back(back, t, block.low)
            self.words[frame] = self.word
            if self.in_token:
                self.tokens[frame] = self.index
                self.costs[frame] = emissions[t, labels[self.index]]
                came = back.reached[t, self.index - first]
                self.in_token = bool(came != ENTER)
                self._move(self.index - int(came == FOLLOW))
            else:
                self.costs[frame] = emissions[t, blank]
                if self._between() and -self.trellis.passing[self.word] > self.costs[frame]:
                    self.unwritten[frame], self.costs[frame] = True, -self.trellis.passing[self.word]
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

    def _skip_back(self, back: _Back, t: int, low: int) -> None:
        """Go back over the words that are skipped after a frame, and then over the sentences."""
        while back.words[t, self.word - low]:
            self._skip()
        sentence = int(np.searchsorted(back.starts, self.word))
        if sentence < len(back.starts) and back.starts[sentence] == self.word:
            while back.sentences[t, sentence]:
                sentence -= 1
                while self.word > back.starts[sentence]:
                    self._skip()

    def _skip(self) -> None:
        self.skipped[self.word - 1] = True
        self._move(int(self.trellis.bounds[self.word - 1]))

    def _move(self, index: int) -> None:
        self.index = index
        while self.trellis.bounds[self.word] > index:
            self.word -= 1
