"""Which positions of a padded batch are real."""

from __future__ import annotations

import torch
from torch import Tensor


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """Boolean mask (batch, size), true where a position lies inside its sequence of `lengths` (batch,)."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)
