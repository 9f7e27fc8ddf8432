"""Deep Speech 2: 2-D convolutions, bidirectional GRUs (Amodei et al., 2015), the oldest baseline in the ablation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stt.models.encoder import Encoder
from stt.models.layers import MaskedBatchNorm1d
from stt.registry import register
from stt.tensors import length_mask

KERNELS = ((41, 11), (21, 11), (21, 11))  # mels, frames
STRIDES = ((2, 2), (2, 1), (2, 1))


@register
class DeepSpeech2(Encoder):
    """Two or three 2-D convolutions over mels and frames with a stride of 2 in time, then recurrent layers.

    The two directions of each layer are summed, as in the paper.
    """

    def __init__(
        self,
        n_mels: int = 80,
        maps: Sequence[int] = (32, 32, 96),
        cells: int = 1280,
        recurrent_layers: int = 7,
        dropout: float = 0.1,
    ) -> None:
        """Build the network; the defaults are its largest variant, with eleven layers including the head.

        Only `n_mels` and `dropout` share a name with arguments of the default encoder: the command line
        keeps the values of shared arguments when the class changes.

        Args:
            n_mels: number of mel bands.
            maps: output channels of each 2-D convolution, at most three.
            cells: number of cells in each direction of a recurrent layer.
            recurrent_layers: number of recurrent layers.
            dropout: dropout probability between recurrent layers.
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
        """Map numbers of feature frames (batch,) to numbers of output frames (batch,)."""
        return torch.div(lengths + 1, 2, rounding_mode="floor")

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (batch, frame, mel) into (batch, output frame, d_model) and output lengths (batch,)."""
        x = (x * length_mask(lengths, x.shape[1]).unsqueeze(2)).transpose(1, 2).unsqueeze(1)
        lengths = self.output_lengths(lengths)
        for conv, norm in zip(self.convs, self.conv_norms, strict=True):
            x = conv(x)
            batch, channels, height, frames = x.shape
            mask = length_mask(lengths, frames)[:, None, None, :].expand(batch, 1, height, frames)
            flat = norm(x.reshape(batch, channels, -1), mask.reshape(batch, 1, -1).to(x.dtype))
            x = functional.hardtanh(flat, 0.0, 20.0).view(x.shape)
        x = x.flatten(1, 2)
        mask = length_mask(lengths, x.shape[2]).unsqueeze(1).to(x.dtype)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = layer(norm(x, mask).transpose(1, 2), lengths).transpose(1, 2)
            x = self.dropout(x)
        return x.transpose(1, 2), lengths


class BidirectionalGRU(nn.Module):
    """Sum of a forward and a backward GRU.

    Each utterance is reversed within its own length, so that padding comes last in both directions and is
    never read; packing would need the lengths on the CPU and force a device synchronization.
    """

    def __init__(self, in_features: int, d_model: int) -> None:
        """Build both directions."""
        super().__init__()
        self.forwards = nn.GRU(in_features, d_model, batch_first=True)
        self.backwards = nn.GRU(in_features, d_model, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map x (batch, frame, feature) to (batch, frame, d_model)."""
        forward: Tensor = self.forwards(x)[0]
        backward: Tensor = self.backwards(reverse_sequences(x, lengths))[0]
        return forward + reverse_sequences(backward, lengths)


def reverse_sequences(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the valid frames of every utterance in x (batch, frame, feature), leaving padding in place."""
    index = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths.unsqueeze(1) - 1 - index
    source = torch.where(mirrored >= 0, mirrored, index)
    return x.gather(1, source.unsqueeze(2).expand_as(x))
