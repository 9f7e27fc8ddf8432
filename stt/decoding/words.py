"""Words with their times from the output of a network, greedily; needs nothing but numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stt.text.tokenizer import WORD_START, Tokenizer


@dataclass(frozen=True)
class Word:
    """A word with its times in the audio and the mean probability of its pieces."""

    text: str
    start: float  # seconds
    end: float  # seconds
    confidence: float  # 0..1


@dataclass  # not frozen: Lightning traverses the output of `predict_step` and rejects frozen dataclasses
class Hypothesis:
    """Recognized text and tokens, with the first frame and the probability of each token."""

    text: str
    tokens: list[int]
    frames: list[int]
    confidences: list[float]

    @property
    def confidence(self) -> float:
        """Mean probability of the tokens; 1 for an empty text."""
        return sum(self.confidences) / len(self.confidences) if self.confidences else 1.0


def best_hypothesis(log_probs: npt.NDArray[np.float32], tokenizer: Tokenizer) -> Hypothesis:
    """Decode log_probs (frame, vocab) of one utterance: `stt.decoding.greedy.greedy_decode` without a device."""
    best = log_probs.argmax(axis=1)
    repeated = np.append(False, best[1:] == best[:-1])[: len(best)]
    frames = np.flatnonzero((best != tokenizer.blank_id) & ~repeated)
    tokens = best[frames]
    ids: list[int] = tokens.tolist()
    return Hypothesis(tokenizer.decode(ids), ids, frames.tolist(), np.exp(log_probs[frames, tokens]).tolist())


def words_from_hypothesis(
    hypothesis: Hypothesis, tokenizer: Tokenizer, frame_seconds: float, start: float = 0.0
) -> list[Word]:
    """Join pieces into words, with times from their frames, offset by `start` seconds."""
    groups: list[list[int]] = []
    for i, token in enumerate(hypothesis.tokens):
        if not groups or tokenizer.pieces[token].startswith(WORD_START):
            groups.append([])
        groups[-1].append(i)
    words = []
    for group in groups:
        text = tokenizer.decode([hypothesis.tokens[i] for i in group])
        if text:
            confidence = sum(hypothesis.confidences[i] for i in group) / len(group)
            first, last = hypothesis.frames[group[0]], hypothesis.frames[group[-1]]
            words.append(Word(text, start + first * frame_seconds, start + (last + 1) * frame_seconds, confidence))
    return words
