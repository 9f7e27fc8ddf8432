"""Augmentation on the device, driven by one strength from 0 (nothing) to 1 (harshest)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stt.audio.masking import length_mask
from stt.errors import InputError


class SpecAugment(nn.Module):
    """Hide bands of frequency and stretches of time, drawn anew for every utterance.

    Source: Park et al., "SpecAugment", 2019, with the number and the width of the masks growing
    with a single strength, as the article asks for one knob (tried there at 0.2, 0.5 and 0.9).
    Features have zero mean, so a hidden value is zero.
    """

    def __init__(self, strength: float = 0.3) -> None:
        """Set the strength, 0 to 1.

        Raises:
            InputError: the strength is outside 0..1.
        """
        super().__init__()
        if not 0 <= strength <= 1:
            raise InputError(f"augmentation strength must lie in 0..1, not {strength}")
        self.strength = strength

    def forward(self, features: Tensor, lengths: Tensor, strength: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mask features (batch, frame, mel) whose real frames are `lengths` (batch,).

        A `strength` (batch,) takes the place of the module's own, for each utterance.
        """
        if not self.training or (strength is None and self.strength == 0):
            return features, lengths
        batch, frames, mels = features.shape
        device = features.device
        widest = torch.full((batch,), self.strength, device=device) if strength is None else strength
        widest = widest.view(-1, 1, 1)
        # At full strength: two bands of up to 40 % of the mels, ten stretches of up to 5 % of the frames.
        bands = _stripes(torch.full((batch,), mels, device=device), mels, 2, 0.4 * widest)
        stretches = _stripes(lengths, frames, 10, 0.05 * widest)
        hidden = bands.unsqueeze(1) | stretches.unsqueeze(2)
        return features.masked_fill(hidden, 0.0), lengths


def _stripes(lengths: Tensor, size: int, count: int, widest: Tensor) -> Tensor:
    """Draw `count` random stripes a row, each up to `widest` (batch, 1, 1), a share of its length; true inside them."""
    draw = torch.rand(2, len(lengths), count, 1, device=lengths.device)
    extent = lengths.view(-1, 1, 1)
    width = draw[0] * widest * extent
    start = draw[1] * (extent - width)
    position = torch.arange(size, device=lengths.device).view(1, 1, -1)
    inside = (position >= start) & (position < start + width)
    return inside.any(dim=1) & length_mask(lengths, size)
