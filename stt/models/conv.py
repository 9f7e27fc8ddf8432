"""Convolutional encoder: separable 1-D convolutions with squeeze-and-excitation at a stride of 8.

Source: the article's Ideas 1-4 (stride 8, separable convolutions, compact networks); blocks in the
manner of QuartzNet (Kriman et al., 2020) and Citrinet (Majumdar et al., 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stt.audio.masking import length_mask
from stt.errors import InputError
from stt.models.layers import MaskedBatchNorm1d, MaskedConv1d, SqueezeExcitation


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
        """Set up the stages.

        Args:
            n_mels: size of the input frames.
            channels: width of each stage.
            blocks: number of residual blocks of each stage.
            kernel_sizes: length of the depthwise kernels of each stage, frames, odd.
            dropout: probability of dropping an activation.

        Raises:
            InputError: the three sequences differ in length.
        """
        super().__init__()
        if not len(channels) == len(blocks) == len(kernel_sizes):
            raise InputError("channels, blocks and kernel_sizes must have one entry a stage")
        layers: list[ConvBlock] = []
        width = n_mels
        for out, count, kernel_size in zip(channels, blocks, kernel_sizes, strict=True):
            for i in range(count):
                layers.append(ConvBlock(width, out, kernel_size, 2 if i == 0 else 1, dropout))
                width = out
        self.layers = nn.ModuleList(layers)
        self.stride = 2 ** len(channels)
        self.out_channels = width

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames (batch,) that come out of so many frames (batch,)."""
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
        """Set up one block; a pointwise convolution carries the residual where shapes differ."""
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
        """Map (batch, channel, frame), zero in the padding, to the same with fewer frames."""
        lengths = self.depthwise.output_lengths(lengths)
        y = self.pointwise(self.depthwise(x))
        mask = length_mask(lengths, y.shape[2]).unsqueeze(1).to(y.dtype)
        y = self.excitation(functional.silu(self.norm(y, mask)), mask)
        residual = x if self.shortcut is None else self.shortcut_norm(self.shortcut(x), mask)
        return torch.add(self.dropout(y), residual), lengths
