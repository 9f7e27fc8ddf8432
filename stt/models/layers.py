"""Layers that ignore padding: masked convolutions, squeeze-and-excitation, transformer blocks with rotary positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from stt.errors import InputError
from stt.tensors import length_mask


class MaskedConv1d(nn.Conv1d):
    """1-D convolution over (batch, channel, frame) with 'same' zero padding.

    The input must be zero beyond the end of each utterance; then a batched utterance sees the same zeros
    as it would alone.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        """Build a convolution with an odd kernel and no bias (a norm follows).

        Raises:
            InputError: the kernel size is even and so has no center.
        """
        if kernel_size % 2 == 0:
            raise InputError(f"kernel_size must be odd, not {kernel_size}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=False,
        )

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Return the number of valid frames after the convolution: ceil(lengths / stride)."""
        return torch.div(lengths + self.stride[0] - 1, self.stride[0], rounding_mode="floor")


class MaskedBatchNorm1d(nn.Module):
    """Batch normalization over the valid frames of (batch, channel, frame); padding is set to zero.

    In evaluation mode the running statistics make every utterance independent of its batch. Non-finite batch
    statistics do not update the running ones, so that one bad utterance cannot corrupt them.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        """Build scale and shift for `channels` channels."""
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Normalize x (batch, channel, frame) with mask (batch, 1, frame) of the same dtype as x."""
        if self.training:
            with torch.autocast(x.device.type, enabled=False):
                masked = x.float() * mask.float()
                count = mask.float().sum().clamp(min=1)
                mean = masked.sum(dim=(0, 2)) / count
                # E[x^2] - E[x]^2 needs one pass fewer than the two-step form; float32 is enough here
                # because the mean after a convolution without bias is of the order of the deviation.
                variance = (masked.square().sum(dim=(0, 2)) / count - mean.square()).clamp(min=0)
            self._update(mean.detach(), variance.detach())
        else:
            mean, variance = self.running_mean, self.running_var
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (x * scale.to(x.dtype).view(1, -1, 1) + shift.to(x.dtype).view(1, -1, 1)) * mask

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        for running, value in ((self.running_mean, mean), (self.running_var, variance)):
            running.copy_(torch.where(value.isfinite(), torch.lerp(running, value, self.momentum), running))


class SqueezeExcitation(nn.Module):
    """Scale channels by a function of their means over the whole utterance.

    Source: Hu et al., "Squeeze-and-Excitation Networks", 2018; over time as in ContextNet (Han et
    al., 2020). The mean is taken over valid frames only.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        """Squeeze to `channels / reduction` values."""
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.SiLU(),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Scale x (batch, channel, frame), which must be zero where mask (batch, 1, frame) is."""
        mean = x.sum(dim=2) / mask.sum(dim=2).clamp(min=1)
        gate: Tensor = self.gate(mean)
        return x * gate.unsqueeze(2)


class Transformer(nn.Module):
    """Stack of attention and feed-forward blocks that preserves lengths and does not attend to padding."""

    def __init__(self, d_model: int, num_layers: int, num_heads: int, dropout: float) -> None:
        """Build the stack.

        Raises:
            InputError: `d_model` is not an even multiple of `num_heads`.
        """
        super().__init__()
        if num_heads < 1 or d_model % (2 * num_heads):
            raise InputError(f"d_model ({d_model}) must be an even multiple of num_heads ({num_heads})")
        self.head_size = d_model // num_heads
        self.layers = nn.ModuleList(TransformerBlock(d_model, num_heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, frame, d_model) to the same shape."""
        # The first key stays visible even for an utterance without frames: attention over no keys would be NaN.
        keys = length_mask(lengths.clamp(min=1), x.shape[1])[:, None, None, :]
        rotation = rotary_angles(x.shape[1], self.head_size, x.device)
        for layer in self.layers:
            x = layer(x, keys, rotation)
        return self.norm(x), lengths


class TransformerBlock(nn.Module):
    """Self-attention and feed-forward, each added to its input."""

    def __init__(self, d_model: int, num_heads: int, dropout: float) -> None:
        """Build a block whose feed-forward part is four times as wide."""
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.feed_forward = feed_forward(d_model, dropout)

    def forward(self, x: Tensor, keys: Tensor, rotation: Tensor) -> Tensor:
        """Map x (batch, frame, d_model); keys (batch, 1, 1, frame) is true for frames that may be attended to."""
        x = x + functional.dropout(self._attend(self.attention_norm(x), keys, rotation), self.dropout, self.training)
        return torch.add(x, self.feed_forward(x))

    def _attend(self, x: Tensor, keys: Tensor, rotation: Tensor) -> Tensor:
        batch, frames, d_model = x.shape
        qkv = self.qkv(x).view(batch, frames, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key = rotate(qkv[0], rotation), rotate(qkv[1], rotation)
        attended = functional.scaled_dot_product_attention(query, key, qkv[2], attn_mask=keys)
        y: Tensor = self.out(attended.transpose(1, 2).reshape(batch, frames, d_model))
        return y


def feed_forward(d_model: int, dropout: float) -> nn.Sequential:
    """Build the pre-norm feed-forward part of a block, four times as wide inside."""
    return nn.Sequential(
        nn.LayerNorm(d_model),
        nn.Linear(d_model, 4 * d_model),
        nn.SiLU(),
        nn.Dropout(dropout),
        nn.Linear(4 * d_model, d_model),
        nn.Dropout(dropout),
    )


def rotary_angles(frames: int, head_size: int, device: torch.device) -> Tensor:
    """Return cosines and sines (2, frame, head_size / 2) for rotary position embeddings."""
    frequencies = 10_000.0 ** -(torch.arange(0, head_size, 2, device=device) / head_size)
    angles = torch.arange(frames, device=device).unsqueeze(1) * frequencies
    return torch.stack((angles.cos(), angles.sin()))


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Apply rotary position embeddings to x (batch, head, frame, head_size)."""
    cosine, sine = rotation.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)
