"""Log-mel features as an ONNX graph: the same values as `LogMel`, for lengths that only the graph's user knows."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from stt.audio.features import (
    DEVIATION_FLOOR,
    PRE_EMPHASIS,
    SPEECH_DEVIATION,
    SPEECH_MEAN,
    FrontEnd,
    LogMel,
    mirror_ends,
    normalize_utterance,
)
from stt.tensors import length_mask


class GraphLogMel(FrontEnd):
    """`LogMel` without decisions that depend on a length, and with the Fourier transform as a convolution.

    ONNX Runtime convolves faster than it computes its STFT.
    """

    fourier: Tensor

    def __init__(self, original: LogMel) -> None:
        """Compute the same as `original`."""
        super().__init__()
        self.sample_rate, self.n_mels = original.sample_rate, original.n_mels
        self.normalization, self.normalization_frames = original.normalization, original.normalization_frames
        self.hop_length = original.hop_length
        self.register_buffer("bands", original.bands)
        size = len(original.window)
        time, frequency = torch.arange(size, dtype=torch.float64), torch.arange(original.n_fft // 2 + 1)
        angle = 2 * math.pi / original.n_fft * torch.outer(frequency, time)
        waves = torch.cat((angle.cos(), angle.sin())) * original.window.double()
        self.register_buffer("fourier", waves.float().unsqueeze(1))  # (2 * frequency, 1, sample)

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Return the number of frames (batch,) for numbers of samples (batch,)."""
        return torch.div(samples + self.hop_length // 2, self.hop_length, rounding_mode="floor").clamp(min=1)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) of at least a hop into features (batch, frame, mel) and lengths (batch,)."""
        frames = self.output_lengths(lengths)
        return self.normalize(self.log_mel(waveforms, lengths), frames), frames

    def log_mel(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Compute log-mel energies (batch, frame, mel); there may be a frame more than `LogMel` returns."""
        size = self.fourier.shape[2]
        signal = mirror_ends(waveforms, lengths, size // 2 - self.hop_length // 2, size // 2, 1, 1)
        signal = torch.sub(signal[:, 1:], signal[:, :-1], alpha=PRE_EMPHASIS)
        real, imaginary = functional.conv1d(signal.unsqueeze(1), self.fourier, stride=self.hop_length).chunk(2, dim=1)
        power = real.square() + imaginary.square()
        return (power.transpose(1, 2) @ self.bands).clamp(min=torch.finfo(torch.float32).eps).log()

    def normalize(self, features: Tensor, frames: Tensor) -> Tensor:
        """Normalize features (batch, frame, mel) as the original does; padding becomes zero."""
        if self.normalization == "utterance":
            return normalize_utterance(features, frames)
        mask = length_mask(frames, features.shape[1]).unsqueeze(-1)
        if self.normalization == "none":
            return (features - SPEECH_MEAN) / SPEECH_DEVIATION * mask
        return _normalize_windows(features, frames, mask, self.normalization_frames)


def _normalize_windows(features: Tensor, frames: Tensor, mask: Tensor, width: int) -> Tensor:
    """Do as `normalize_windows`, with windows that end at the last frame of a batch that is shorter than them."""
    total = frames.clamp(min=1).view(-1, 1, 1)
    centered = (features - (features * mask).sum(dim=1, keepdim=True) / total) * mask
    index = torch.arange(features.shape[1], device=features.device)
    last = (frames.unsqueeze(1) - width).clamp(min=0)
    start = torch.minimum((index - width // 2).clamp(min=0), last)
    end = torch.minimum(start + width, frames.unsqueeze(1).clamp(min=1))
    first, behind = (one.unsqueeze(-1).expand(-1, -1, features.shape[2]) for one in (start, end))

    def means(values: Tensor) -> Tensor:
        sums = functional.pad(values.cumsum(dim=1), (0, 0, 1, 0))
        return (sums.gather(1, behind) - sums.gather(1, first)) / total.clamp(max=width)

    mean = means(centered)
    deviation = (means(centered.square()) - mean.square()).clamp(min=0).sqrt()
    return (centered - mean) / (deviation + DEVIATION_FLOOR) * mask
