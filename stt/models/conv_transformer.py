"""The network of the article: convolutions at a stride of 8, transformer blocks on top."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from stt.models.base import Encoder
from stt.models.conv import ConvEncoder
from stt.models.transformer import Transformer
from stt.registry import register


@register
class ConvTransformer(Encoder):
    """Separable convolutions with squeeze-and-excitation, then transformer blocks with rotary positions."""

    def __init__(
        self,
        n_mels: int = 64,
        conv_channels: Sequence[int] = (96, 144, 192),
        conv_blocks: Sequence[int] = (1, 2, 2),
        conv_kernel_sizes: Sequence[int] = (5, 7, 9),
        d_model: int = 144,
        num_layers: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        """Set up the network; the defaults are the size `tiny`.

        Args:
            n_mels: size of the feature frames.
            conv_channels: width of each convolutional stage; every stage halves the frame rate.
            conv_blocks: residual blocks of each stage.
            conv_kernel_sizes: depthwise kernel of each stage, frames, odd.
            d_model: width of the transformer.
            num_layers: number of transformer blocks.
            num_heads: attention heads of each block.
            dropout: probability of dropping an activation, everywhere.
        """
        super().__init__()
        self.d_model = d_model
        self.conv = ConvEncoder(n_mels, conv_channels, conv_blocks, conv_kernel_sizes, dropout)
        self.project = nn.Linear(self.conv.out_channels, d_model)
        self.transformer = Transformer(d_model, num_layers, num_heads, dropout)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames (batch,) for so many feature frames (batch,)."""
        return self.conv.output_lengths(lengths)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (batch, frame, mel) into (batch, output frame, d_model) and output lengths (batch,)."""
        x, lengths = self.conv(x, lengths)
        y: tuple[Tensor, Tensor] = self.transformer(self.project(x), lengths)
        return y
