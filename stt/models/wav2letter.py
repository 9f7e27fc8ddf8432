"""Plain 1-D convolutions in the style of Wav2Letter (Collobert et al., 2016), with any stride."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from stt.errors import InputError
from stt.models.encoder import Encoder
from stt.models.layers import MaskedBatchNorm1d, MaskedConv1d
from stt.registry import register
from stt.tensors import length_mask


@register
class Wav2Letter(Encoder):
    """Full (not separable) convolutions, each followed by a norm and a clipped ReLU."""

    def __init__(
        self,
        n_mels: int = 80,
        channels: Sequence[int] = (250, 250, 250, 250, 250, 250, 250, 250, 2000, 2000),
        kernel_sizes: Sequence[int] = (47, 7, 7, 7, 7, 7, 7, 7, 31, 1),
        strides: Sequence[int] = (2, 1, 1, 1, 1, 1, 1, 1, 1, 1),
        dropout: float = 0.1,
    ) -> None:
        """Build the layers; the defaults are the widths of the paper.

        Args:
            n_mels: number of mel bands.
            channels: width of each layer.
            kernel_sizes: length of each layer's kernel, in frames, odd.
            strides: stride of each layer.
            dropout: dropout probability.

        Raises:
            InputError: the three sequences differ in length.
        """
        super().__init__()
        if not len(channels) == len(kernel_sizes) == len(strides):
            raise InputError("channels, kernel_sizes and strides must have one entry per layer")
        widths = [n_mels, *channels]
        self.convs = nn.ModuleList(
            MaskedConv1d(width, out, kernel_size, stride)
            for width, out, kernel_size, stride in zip(widths, channels, kernel_sizes, strides, strict=False)
        )
        self.norms = nn.ModuleList(MaskedBatchNorm1d(out) for out in channels)
        self.dropout = nn.Dropout(dropout)
        self.d_model = widths[-1]

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Map numbers of feature frames (batch,) to numbers of output frames (batch,)."""
        for conv in self.convs:
            assert isinstance(conv, MaskedConv1d)
            lengths = conv.output_lengths(lengths)
        return lengths

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (batch, frame, mel) into (batch, output frame, d_model) and output lengths (batch,)."""
        x = x.transpose(1, 2)
        x = x * length_mask(lengths, x.shape[2]).unsqueeze(1).to(x.dtype)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            assert isinstance(conv, MaskedConv1d)
            x, lengths = conv(x), conv.output_lengths(lengths)
            mask = length_mask(lengths, x.shape[2]).unsqueeze(1).to(x.dtype)
            x = self.dropout(functional.hardtanh(norm(x, mask), 0.0, 20.0))
        return x.transpose(1, 2), lengths
