"""Text post-processing after a decoder: rewritten words keep the times of the words they replace."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from stt.decoding.decoder import Decoder
from stt.decoding.words import Word
from stt.metrics.alignment import align_words


class PostProcessingDecoder(Decoder):
    """Wraps a decoder and rewrites its texts."""

    def __init__(self, decoder: Decoder, rewrite: Callable[[Sequence[str]], list[str]]) -> None:
        """Take a decoder and a function from texts to texts."""
        self.decoder = decoder
        self.rewrite = rewrite

    def words(self, log_probs: npt.NDArray[np.float32], frame_seconds: float, start: float = 0.0) -> list[Word]:
        """Return the rewritten words with the times of the words they replace."""
        words = self.decoder.words(log_probs, frame_seconds, start)
        (text,) = self.rewrite([" ".join(word.text for word in words)])
        return transfer_times(words, text)

    def text(self, log_probs: npt.NDArray[np.float32]) -> str:
        """Return the rewritten text."""
        return self.rewrite([self.decoder.text(log_probs)])[0]


def transfer_times(words: list[Word], text: str) -> list[Word]:
    """Align a rewritten text with timed words and copy their times and confidences.

    An inserted word starts and ends where the word before it ends, with confidence 0.
    """
    if not words:
        return []
    timed: list[Word] = []
    index, end = 0, words[0].start
    for _, old, new in align_words(" ".join(word.text for word in words), text):
        if old:
            word, index = words[index], index + 1
            end = word.end
            if new:
                timed.append(Word(new, word.start, word.end, word.confidence))
        else:
            timed.append(Word(new, end, end, 0.0))
    return timed
