"""Stride-8 convolutions and transformer blocks (Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text")."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stt.errors import InputError
from stt.models.encoder import Encoder
from stt.models.layers import MaskedBatchNorm1d, MaskedConv1d, SqueezeExcitation, Transformer
from stt.registry import register
from stt.tensors import length_mask


@register
class ConvTransformer(Encoder):
    """Separable convolutions with squeeze-and-excitation, then transformer blocks with rotary position embeddings."""

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
        """Build the network; the defaults are the size `tiny`.

        Args:
            n_mels: number of mel bands.
            conv_channels: width of each convolutional stage; every stage halves the frame rate.
            conv_blocks: number of residual blocks in each stage.
            conv_kernel_sizes: length of the depthwise kernels of each stage, in frames, odd.
            d_model: width of the transformer.
            num_layers: number of transformer blocks.
            num_heads: number of attention heads in each block.
            dropout: dropout probability throughout the network.
        """
        super().__init__()
        self.d_model = d_model
        self.conv = ConvEncoder(n_mels, conv_channels, conv_blocks, conv_kernel_sizes, dropout)
        self.project = nn.Linear(self.conv.out_channels, d_model)
        self.transformer = Transformer(d_model, num_layers, num_heads, dropout)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Map numbers of feature frames (batch,) to numbers of output frames (batch,)."""
        return self.conv.output_lengths(lengths)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (batch, frame, mel) into (batch, output frame, d_model) and output lengths (batch,)."""
        x, lengths = self.conv(x, lengths)
        y: tuple[Tensor, Tensor] = self.transformer(self.project(x), lengths)
        return y


class ConvEncoder(nn.Module):
    """Stages of residual blocks; the first block of every stage halves the frame rate."""

    def __init__(
        self,
        n_mels: int,
        channels: Sequence[int],
        blocks: Sequence[int],
        kernel_sizes: Sequence[int],
        dropout: float,
    ) -> None:
        """Build the stages.

        Args:
            n_mels: number of mel bands.
            channels: width of each stage.
            blocks: number of residual blocks in each stage.
            kernel_sizes: length of the depthwise kernels of each stage, in frames, odd.
            dropout: dropout probability.

        Raises:
            InputError: the three sequences differ in length.
        """
        super().__init__()
        if not len(channels) == len(blocks) == len(kernel_sizes):
            raise InputError("channels, blocks and kernel_sizes must have one entry per stage")
        layers: list[ConvBlock] = []
        width = n_mels
        for out, count, kernel_size in zip(channels, blocks, kernel_sizes, strict=True):
            for i in range(count):
                layers.append(ConvBlock(width, out, kernel_size, 2 if i == 0 else 1, dropout))
                width = out
        self.layers = nn.ModuleList(layers)
        self.out_channels = width

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Map numbers of input frames (batch,) to numbers of output frames (batch,)."""
        for layer in self.layers:
            assert isinstance(layer, ConvBlock)
            lengths = layer.depthwise.output_lengths(lengths)
        return lengths

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (batch, frame, mel) into (batch, frame / stride, channel)."""
        x = x.transpose(1, 2)
        x = x * length_mask(lengths, x.shape[2]).unsqueeze(1).to(x.dtype)
        for layer in self.layers:
            x, lengths = layer(x, lengths)
        return x.transpose(1, 2), lengths


class ConvBlock(nn.Module):
    """Depthwise and pointwise convolution, norm, squeeze-and-excitation, residual."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, dropout: float) -> None:
        """Build a block; where shapes differ, the residual goes through a pointwise convolution."""
        super().__init__()
        self.depthwise = MaskedConv1d(in_channels, in_channels, kernel_size, stride=stride, groups=in_channels)
        self.pointwise = MaskedConv1d(in_channels, out_channels, 1)
        self.norm = MaskedBatchNorm1d(out_channels)
        self.excitation = SqueezeExcitation(out_channels)
        self.shortcut: MaskedConv1d | None = None
        if stride > 1 or in_channels != out_channels:
            self.shortcut = MaskedConv1d(in_channels, out_channels, 1, stride=stride)
            self.shortcut_norm = MaskedBatchNorm1d(out_channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, channel, frame), zero in the padding, to (batch, channel, frame / stride)."""
        lengths = self.depthwise.output_lengths(lengths)
        y = self.pointwise(self.depthwise(x))
        mask = length_mask(lengths, y.shape[2]).unsqueeze(1).to(y.dtype)
        y = self.excitation(functional.silu(self.norm(y, mask)), mask)
        residual = x if self.shortcut is None else self.shortcut_norm(self.shortcut(x), mask)
        return torch.add(self.dropout(y), residual), lengths
