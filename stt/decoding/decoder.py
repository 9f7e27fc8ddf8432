"""What turns the network's outputs into words: greedy here, beam search in `beam`, `corrected` behind either."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import torch

from stt.decoding.greedy import Word, greedy_decode, words_of
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
