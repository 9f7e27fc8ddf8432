"""The decoder interface and the greedy decoder; beam search is in `beam`, post-processing in `postprocessing`."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from stt.decoding.words import Word, best_hypothesis, words_from_hypothesis
from stt.text.tokenizer import Tokenizer


class Decoder(ABC):
    """Decodes utterances one at a time."""

    @abstractmethod
    def words(self, log_probs: npt.NDArray[np.float32], frame_seconds: float, start: float = 0.0) -> list[Word]:
        """Decode log_probs (frame, vocab) into words with confidences and times, offset by `start` seconds."""

    def text(self, log_probs: npt.NDArray[np.float32]) -> str:
        """Decode log_probs (frame, vocab) into text, where times are not needed."""
        return " ".join(word.text for word in self.words(log_probs, frame_seconds=1.0))


class Greedy(Decoder):
    """Takes the most likely token of every frame."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Decode into the pieces of a tokenizer."""
        self.tokenizer = tokenizer

    def words(self, log_probs: npt.NDArray[np.float32], frame_seconds: float, start: float = 0.0) -> list[Word]:
        """Decode log_probs (frame, vocab) into words."""
        hypothesis = best_hypothesis(log_probs, self.tokenizer)
        return words_from_hypothesis(hypothesis, self.tokenizer, frame_seconds, start)
