"""Words from the network's outputs for successive windows of a recording."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.decoding.decoder import Decoder
from stt.decoding.words import Word
from stt.recognition.windows import Window
from stt.text.tokenizer import WORD_START, Tokenizer

LEAST_SECONDS = 20.0  # decoded at once: a language model knows nothing of what was decoded before
MOST_SECONDS = 120.0  # decoded at once at most, where no joint is between words
SILENCE_SECONDS = 1.0  # that no word contains

LogProbs = npt.NDArray[np.float32]  # (frame, vocab)


class Joiner:
    """Decodes the outputs of windows together, up to a joint that is between words."""

    def __init__(self, decoder: Decoder, tokenizer: Tokenizer, frame_seconds: float) -> None:
        """Join nothing yet.

        Args:
            decoder: makes words of the joined outputs.
            tokenizer: knows which pieces begin a word.
            frame_seconds: duration of a frame, seconds.
        """
        self.decoder = decoder
        self.frame_seconds = frame_seconds
        self._blank = tokenizer.blank_id
        self._begins = np.array([piece.startswith(WORD_START) for piece in tokenizer.pieces])
        self._waiting: list[LogProbs] = []
        self._start = 0  # frame of the first output that waits

    def add(self, window: Window, log_probs: LogProbs) -> list[Word]:
        """Add the output (frame, vocab) of the next window's core; return the words that it completes, if any."""
        seconds = self.frame_seconds * sum(map(len, self._waiting))
        words: list[Word] = []
        enough = self._waiting and seconds >= LEAST_SECONDS
        if enough and (seconds >= MOST_SECONDS or self._between_words(log_probs)):
            words = self.flush()
        if not self._waiting:
            self._start = window.start
        self._waiting.append(log_probs)
        return words

    def flush(self) -> list[Word]:
        """Return the words of all that was added and not decoded yet."""
        if not self._waiting:
            return []
        log_probs = np.concatenate(self._waiting)
        self._waiting = []
        return self.decoder.words(log_probs, self.frame_seconds, self._start * self.frame_seconds)

    def _between_words(self, following: LogProbs) -> bool:
        """Whether nothing is said around the joint, and what is said next begins a word."""
        before, after = self._waiting[-1][-1:].argmax(axis=1), following.argmax(axis=1)
        said = after[after != self._blank]
        quiet = (before == self._blank).all() and (after[:1] == self._blank).all()
        if not len(said):
            return bool(quiet and len(after) * self.frame_seconds >= SILENCE_SECONDS)
        return bool(quiet and self._begins[said[0]])
