"""CTC: which utterances it can align, and the loss of each of them (Graves et al., 2006)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from stt.tensors import to_device


def frames_needed(tokens: Sequence[int]) -> int:
    """Fewest frames that can carry these tokens: one each, and a blank between two that are the same."""
    return len(tokens) + sum(a == b for a, b in itertools.pairwise(tokens))


def ctc_losses(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, blank_id: int) -> Tensor:
    """Negative log-likelihood per token (batch,) of each utterance, in float32.

    Args:
        log_probs: (batch, frame, vocab), after log-softmax.
        lengths: real frames (batch,), on the host: CTC reads them there.
        tokens: targets (batch, token), padded with anything.
        token_lengths: real tokens (batch,), on the host.
        blank_id: index of the blank.

    An utterance that cannot be aligned has an infinite loss here; the data pipeline leaves such
    utterances out by name, so `zero_infinity` is not used to hide them.
    """
    # int64 targets on the device: cuDNN's CTC, which int32 targets on the CPU would select, is known to fail.
    with torch.autocast(log_probs.device.type, enabled=False):
        losses = functional.ctc_loss(
            log_probs.float().transpose(0, 1),
            tokens.long(),
            lengths.long(),
            token_lengths.long(),
            blank=blank_id,
            reduction="none",
        )
    return losses / to_device(token_lengths.clamp(min=1), losses.device)
