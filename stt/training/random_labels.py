"""Losses of utterances for labels that are not theirs: what a label error would look like."""

from __future__ import annotations

import torch
from torch import Tensor

from stt.data.batch import Batch
from stt.models.ctc import ctc_losses


@torch.no_grad()
def random_losses(log_probs: Tensor, frames: Tensor, batch: Batch, blank_id: int) -> tuple[Tensor, Tensor]:
    """Return the CTC loss per token (batch,) of each utterance for the label of its neighbor in the batch.

    Also returns a mask (batch,) of the valid losses, on the host like `frames` (batch,): those where that
    label is different and does not need more frames.
    """
    needed, lengths = batch.frames_needed.roll(1), batch.token_lengths.roll(1)
    usable = (frames >= needed) & (lengths > 0)
    losses = ctc_losses(log_probs, frames, batch.tokens.roll(1, dims=0), torch.where(usable, lengths, 0), blank_id)
    other = [a != b for a, b in zip(batch.references, batch.references[-1:] + batch.references[:-1], strict=True)]
    return losses, usable & torch.tensor(other or [False])
