"""Deep Speech 2: 2-D convolutions and bidirectional GRUs (Amodei et al., 2015), the oldest baseline of the ablation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stt.models.base import Encoder
from stt.models.layers import MaskedBatchNorm1d
from stt.registry import register
from stt.tensors import length_mask

KERNELS = ((41, 11), (21, 11), (21, 11))  # mels, frames
STRIDES = ((2, 2), (2, 1), (2, 1))


@register
class DeepSpeech2(Encoder):
    """Two or three convolutions over mels and frames at a stride of 2 in time, then recurrent layers.

    The two directions of a layer are added up, as in the paper.
    """

    def __init__(
        self,
        n_mels: int = 80,
        maps: Sequence[int] = (32, 32, 96),
        cells: int = 1280,
        recurrent_layers: int = 7,
        dropout: float = 0.1,
    ) -> None:
        """Set up the network; the defaults are its largest form, of eleven layers with the head.

        No argument but `n_mels` and `dropout` is called as one of the default encoder is: the command
        line keeps those that both have when it changes from one class to the other.

        Args:
            n_mels: size of the feature frames.
            maps: channels of each 2-D convolution, at most three.
            cells: cells of each direction of a recurrent layer.
            recurrent_layers: number of recurrent layers.
            dropout: probability of dropping an activation between recurrent layers.
        """
        super().__init__()
        self.d_model = cells
        convs = []
        channels, height = 1, n_mels
        for out, kernel, stride in zip(maps, KERNELS, STRIDES, strict=False):
            padding = (kernel[0] // 2, kernel[1] // 2)
            convs.append(nn.Conv2d(channels, out, kernel, stride, padding, bias=False))
            channels, height = out, -(-height // stride[0])
        self.convs = nn.ModuleList(convs)
        self.conv_norms = nn.ModuleList(MaskedBatchNorm1d(out) for out in maps)
        widths = [channels * height] + [cells] * (recurrent_layers - 1)
        self.norms = nn.ModuleList(MaskedBatchNorm1d(width) for width in widths)
        self.layers = nn.ModuleList(BidirectionalGRU(width, cells) for width in widths)
        self.dropout = nn.Dropout(dropout)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Output frames (batch,) for so many feature frames (batch,)."""
        return torch.div(lengths + 1, 2, rounding_mode="floor")

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (batch, frame, mel) into (batch, output frame, d_model) and output lengths (batch,)."""
        x = (x * length_mask(lengths, x.shape[1]).unsqueeze(2)).transpose(1, 2).unsqueeze(1)
        lengths = self.output_lengths(lengths)
        for conv, norm in zip(self.convs, self.conv_norms, strict=True):
            x = conv(x)
            batch, channels, height, frames = x.shape
            real = length_mask(lengths, frames)[:, None, None, :].expand(batch, 1, height, frames)
            flat = norm(x.reshape(batch, channels, -1), real.reshape(batch, 1, -1).to(x.dtype))
            x = functional.hardtanh(flat, 0.0, 20.0).view(x.shape)
        x = x.flatten(1, 2)
        mask = length_mask(lengths, x.shape[2]).unsqueeze(1).to(x.dtype)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = layer(norm(x, mask).transpose(1, 2), lengths).transpose(1, 2)
            x = self.dropout(x)
        return x.transpose(1, 2), lengths


class BidirectionalGRU(nn.Module):
    """A GRU forwards and one backwards, added up.

    Each utterance is turned round by itself, so that the padding comes last in both directions and is
    never read; packing would need the lengths on the host, and the step would wait for the device.
    """

    def __init__(self, in_features: int, d_model: int) -> None:
        """Set up both directions."""
        super().__init__()
        self.forwards = nn.GRU(in_features, d_model, batch_first=True)
        self.backwards = nn.GRU(in_features, d_model, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map x (batch, frame, feature) to (batch, frame, d_model)."""
        ahead: Tensor = self.forwards(x)[0]
        behind: Tensor = self.backwards(turned_round(x, lengths))[0]
        return ahead + turned_round(behind, lengths)


def turned_round(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the real frames of every utterance of x (batch, frame, feature); the padding stays where it is."""
    place = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths.unsqueeze(1) - 1 - place
    source = torch.where(mirrored >= 0, mirrored, place)
    return x.gather(1, source.unsqueeze(2).expand_as(x))
