"""Where in the text a recording is, roughly: the greedy hypothesis against the text, letter by letter.

The minimum-edit alignment of both as a whole is monotone, and needs neither words that occur once nor a network that
recognizes whole words. rapidfuzz computes it in memory that does not grow with the product of the lengths (Hirschberg
1975, "A linear space algorithm for computing maximal common subsequences", on the bit-parallel matrix of Hyyrö 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt, sqrt

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from stt.curation.align.trellis import Block

SHUFFLES = 3
LEAST_LETTERS = 200  # of a text of which it can be told whether it belongs to the recording
LEAST_SHARE = 0.2  # of the letters of the hypothesis that such a text has
LEAST_FRAMES = 250  # of a block

Ints = npt.NDArray[np.int64]


def letter_positions(hypothesis: str, text: str) -> Ints:
    """Return for each letter of the hypothesis the index in the text that it is aligned with (letter,)."""
    positions = np.zeros(len(hypothesis), np.int64)
    for op in Levenshtein.opcodes(hypothesis, text):
        count = op.src_end - op.src_start
        if count == op.dest_end - op.dest_start:
            positions[op.src_start : op.src_end] = np.arange(op.dest_start, op.dest_end)
        else:  # letters that the text does not have; or none of the hypothesis
            positions[op.src_start : op.src_end] = op.dest_start
    return positions


def belong_together(hypothesis: str, text: str) -> bool:
    """Tell whether a hypothesis is nearer to a text than to the same words in other orders.

    The distances to texts in random order hardly vary: by less than the square root of the length. Of texts of less
    than 200 letters, or of less than a fifth of what is said, it cannot be told; they are taken to belong together.
    """
    if len(text) < max(LEAST_LETTERS, LEAST_SHARE * len(hypothesis)):
        return True
    rng = np.random.default_rng(0)
    words = text.split()
    others = [" " + " ".join(rng.permutation(words)) for _ in range(SHUFFLES)]
    usual = sum(Levenshtein.distance(hypothesis, other) for other in others) / SHUFFLES
    return Levenshtein.distance(hypothesis, text) < usual - sqrt(len(text))


def plan_blocks(frames: int, letter_frames: Ints, letter_words: Ints, words: int, margin: int) -> list[Block]:
    """Cut a recording into blocks of frames, each with the words that may be spoken in it.

    Args:
        frames: number of frames.
        letter_frames: frame of each letter of the hypothesis (letter,).
        letter_words: index of the word of the text that the letter is aligned with (letter,).
        words: number of words of the text.
        margin: words before and after those of the hypothesis.
    """
    length = max(LEAST_FRAMES, isqrt(frames))
    edges = [*range(0, frames, length), frames]
    blocks = []
    for first, end in pairwise(edges):
        before = int(np.searchsorted(letter_frames, first)) - 1
        after = int(np.searchsorted(letter_frames, end))
        low = int(letter_words[before]) - margin if before >= 0 else 0
        high = int(letter_words[after]) + 1 + margin if after < len(letter_words) else words
        blocks.append(Block(first, end, max(0, low) if first else 0, min(words, high)))
    return blocks


def leaves_room(words: Ints, blocks: Sequence[Block], count: int, room: int) -> bool:
    """Tell whether a path, as the word of each frame (frame,), keeps its distance from the words that it may not visit.

    Args:
        words: the word of each frame.
        blocks: where it was allowed.
        count: number of words of the text.
        room: the distance, in words.
    """
    for block in blocks:
        low, high = int(words[block.first]), int(words[block.end - 1])
        if (block.low and low - block.low < room) or (block.high < count and block.high - high < room):
            return False
    return True
