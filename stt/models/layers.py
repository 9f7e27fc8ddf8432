"""Layers that mask padding, so that it never affects valid frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stt.errors import InputError


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
