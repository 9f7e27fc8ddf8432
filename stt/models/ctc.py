"""CTC loss per utterance, and the number of frames that CTC needs (Graves et al., 2006)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from stt.tensors import to_device


def frames_needed(tokens: Sequence[int]) -> int:
    """Return the fewest frames that CTC can align tokens to: one per token, and a blank between equal neighbors."""
    return len(tokens) + sum(a == b for a, b in itertools.pairwise(tokens))


def ctc_losses(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor, blank_id: int) -> Tensor:
    """Return the negative log-likelihood per token of each utterance (batch,), in float32.

    The loss of an utterance that cannot be aligned is infinite; the data pipeline skips such utterances and
    reports them, so `zero_infinity` is not used to hide them.

    Args:
        log_probs: (batch, frame, vocab), after log-softmax.
        lengths: number of valid frames (batch,), on the CPU, where CTC reads them.
        tokens: targets (batch, token), padded with any value.
        token_lengths: number of valid tokens (batch,), on the CPU.
        blank_id: index of the blank.
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
