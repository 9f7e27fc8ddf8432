"""The interface of encoders."""

from __future__ import annotations

from torch import Tensor, nn


class Encoder(nn.Module):
    """The interface of encoders: subclass it, register the subclass and name it in a configuration."""

    d_model: int
    """Width of the output frames."""

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Map numbers of feature frames (batch,) to numbers of output frames (batch,)."""
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (batch, frame, mel) into (batch, output frame, d_model) and output lengths (batch,)."""
        raise NotImplementedError
