"""Greedy CTC decoding: the most likely token of every frame, with repeats and blanks removed, and its time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stt.tensors import length_mask
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


def emitted_tokens(log_probs: Tensor, lengths: Tensor, blank_id: int) -> Tensor:
    """Return the token that each frame emits (batch, frame); -1 for blanks, repeats and padding."""
    tokens = log_probs.argmax(dim=-1)
    previous = torch.nn.functional.pad(tokens[:, :-1], (1, 0), value=blank_id)
    emits = (tokens != blank_id) & (tokens != previous) & length_mask(lengths, tokens.shape[1])
    return torch.where(emits, tokens, -1)


def greedy_decode(log_probs: Tensor, lengths: Tensor, tokenizer: Tokenizer) -> list[Hypothesis]:
    """Decode log_probs (batch, frame, vocab) with `lengths` valid frames (batch,), without a loop over frames."""
    tokens = emitted_tokens(log_probs, lengths, tokenizer.blank_id)
    emitted = tokens >= 0
    # Copy the whole batch to the CPU once, and split it there.
    rows, frames = (index.cpu() for index in emitted.nonzero(as_tuple=True))
    kept = tokens[emitted].cpu()
    probabilities = log_probs[emitted].gather(1, tokens[emitted].unsqueeze(1)).squeeze(1).float().exp().cpu()
    counts = torch.bincount(rows, minlength=len(tokens)).tolist()
    parts = zip(*(torch.split(values, counts) for values in (kept, frames, probabilities)), strict=True)
    return [
        Hypothesis(tokenizer.decode(ids := token.tolist()), ids, frame.tolist(), probability.tolist())
        for token, frame, probability in parts
    ]


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
