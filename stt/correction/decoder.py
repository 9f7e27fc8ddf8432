"""Words that a corrector has rewritten, at the times of those that were heard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from stt.decoding.decoder import Decoder
from stt.decoding.greedy import Word
from stt.metrics.alignment import align_words


class Corrected(Decoder):
    """Lets a corrector rewrite what another decoder has found."""

    def __init__(self, decoder: Decoder, correct: Callable[[list[str]], list[str]]) -> None:
        """Take a decoder, and what corrects a list of texts."""
        self.decoder = decoder
        self.correct = correct

    def words(self, log_probs: npt.NDArray[np.float32], frame_seconds: float, start: float = 0.0) -> list[Word]:
        """Give the corrected words, at the times of those that they stand for."""
        words = self.decoder.words(log_probs, frame_seconds, start)
        (text,) = self.correct([" ".join(word.text for word in words)])
        return retimed(words, text)

    def text(self, log_probs: npt.NDArray[np.float32]) -> str:
        """Give the corrected text."""
        return self.correct([self.decoder.text(log_probs)])[0]


def retimed(words: list[Word], text: str) -> list[Word]:
    """Give the words of another text of the same audio times and confidences of those that they replace.

    A word that stands for none is put, with no length and no confidence, where the one before it ends.
    """
    if not words:
        return []
    timed: list[Word] = []
    place, end = 0, words[0].start
    for _, old, new in align_words(" ".join(word.text for word in words), text):
        if old:
            word, place = words[place], place + 1
            end = word.end
            if new:
                timed.append(Word(new, word.start, word.end, word.confidence))
        else:
            timed.append(Word(new, end, end, 0.0))
    return timed
