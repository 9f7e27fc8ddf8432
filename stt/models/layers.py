"""Layers that know where an utterance ends: nothing from the padding enters a real frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stt.errors import InputError


class MaskedConv1d(nn.Conv1d):
    """1-D convolution over (batch, channel, frame) with 'same' padding of zeros.

    The input must be zero behind each utterance's end; then the convolution sees the same zeros
    there as it does for an utterance alone.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        """Set up an odd kernel without a bias (a norm follows).

        Raises:
            InputError: the kernel size is even, so that there is no middle.
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
        """Real frames after the convolution: ceil(lengths / stride)."""
        return torch.div(lengths + self.stride[0] - 1, self.stride[0], rounding_mode="floor")


class MaskedBatchNorm1d(nn.Module):
    """Batch normalization over the real frames of (batch, channel, frame); the padding comes out as zero.

    In evaluation the running statistics make every utterance independent of its batch. A step with
    non-finite values leaves the running statistics alone, so that one bad utterance cannot spoil them.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        """Set up scale and shift for so many channels."""
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
                real = x.float() * mask.float()
                count = mask.float().sum().clamp(min=1)
                mean = real.sum(dim=(0, 2)) / count
                # E[x^2] - E[x]^2 needs one pass less than the two-step form; float32 is enough here
                # because convolutions without bias keep the mean of the size of the deviation.
                variance = (real.square().sum(dim=(0, 2)) / count - mean.square()).clamp(min=0)
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
    """Scale channels by what the whole utterance holds.

    Source: Hu et al., "Squeeze-and-Excitation Networks", 2018; over time as in ContextNet (Han et
    al., 2020). The mean is taken over real frames only.
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
