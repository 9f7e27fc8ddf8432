"""Greedy CTC decoding of a batch on its device: the most likely token of every frame, without repeats and blanks."""

from __future__ import annotations

import torch
from torch import Tensor

from stt.decoding.words import Hypothesis
from stt.tensors import length_mask
from stt.text.tokenizer import Tokenizer


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
