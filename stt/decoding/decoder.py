"""What turns the network's outputs into words: greedy here, beam search in `beam`, a corrector behind either."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from stt.decoding.greedy import Word, greedy_decode, words_of
from stt.metrics.alignment import align_words
from stt.text.tokenizer import Tokenizer


class Decoder(ABC):
    """Decodes one utterance after the other."""

    @abstractmethod
    def words(self, log_probs: npt.NDArray[np.float32], frame_seconds: float, start: float = 0.0) -> list[Word]:
        """Give the words of log_probs (frame, vocab) with times (`start` seconds added) and confidences."""

    def text(self, log_probs: npt.NDArray[np.float32]) -> str:
        """Give the text of log_probs (frame, vocab), where nobody asks for times."""
        return " ".join(word.text for word in self.words(log_probs, frame_seconds=1.0))


class Greedy(Decoder):
    """Takes the best token of every frame."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Decode into the pieces of a tokenizer."""
        self.tokenizer = tokenizer

    def words(self, log_probs: npt.NDArray[np.float32], frame_seconds: float, start: float = 0.0) -> list[Word]:
        """Give the words of log_probs (frame, vocab)."""
        batch = torch.from_numpy(log_probs).unsqueeze(0)
        hypothesis = greedy_decode(batch, torch.tensor([len(log_probs)]), self.tokenizer)[0]
        return words_of(hypothesis, self.tokenizer, frame_seconds, start)


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
