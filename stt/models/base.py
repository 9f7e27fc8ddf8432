"""What a recognizer expects of an encoder."""

from __future__ import annotations

from torch import Tensor, nn


class Encoder(nn.Module):
    """What a recognizer expects of an encoder: subclass it, register it, name it in a config."""

    d_model: int
    """Size of the output frames."""

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames (batch,) for so many feature frames (batch,)."""
        raise NotImplementedError

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (batch, frame, mel) into (batch, output frame, d_model) and output lengths (batch,)."""
        raise NotImplementedError
