"""Augmentation on the device, driven by one strength from 0 (nothing) to 1 (harshest)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stt.audio.masking import length_mask
from stt.errors import InputError


class Augmentation(nn.Module):
    """What makes training harder: noise in the waveforms, then masks in the features.

    Source: the article asks for one knob (tried there at 0.2, 0.5 and 0.9).
    """

    def __init__(self, strength: float = 0.3) -> None:
        """Set the strength, 0 to 1.

        Raises:
            InputError: the strength is outside 0..1.
        """
        super().__init__()
        if not 0 <= strength <= 1:
            raise InputError(f"augmentation strength must lie in 0..1, not {strength}")
        self.strength = strength

    def waveforms(self, waveforms: Tensor, lengths: Tensor, strength: Tensor | None = None) -> Tensor:
        """Add noise to waveforms (batch, sample) of `lengths` (batch,), while training.

        A `strength` (batch,) takes the place of the module's own, for each utterance.
        """
        wanted = self._strength(waveforms, strength)
        return waveforms if wanted is None else add_noise(waveforms, lengths, wanted)

    def features(self, features: Tensor, lengths: Tensor, strength: Tensor | None = None) -> Tensor:
        """Mask features (batch, frame, mel) of `lengths` (batch,), while training; strengths as for waveforms."""
        wanted = self._strength(features, strength)
        return features if wanted is None else spec_augment(features, lengths, wanted)

    def _strength(self, like: Tensor, strength: Tensor | None) -> Tensor | None:
        if not self.training or (strength is None and self.strength == 0):
            return None
        return torch.full((len(like),), self.strength, device=like.device) if strength is None else strength


def add_noise(waveforms: Tensor, lengths: Tensor, strength: Tensor) -> Tensor:
    """Add noise of a random colour (white to brown) to every utterance whose strength is above 0.

    The signal-to-noise ratio is drawn from a range of 20 dB that begins at 60 dB - 60 dB * strength:
    inaudible at small strengths, 0 to 20 dB at full strength.
    """
    batch, samples = waveforms.shape
    device = waveforms.device
    size = 1 << (samples - 1).bit_length()  # a power of two is many times faster than a prime
    slope = 2 * torch.rand(batch, 1, device=device)
    frequency = torch.arange(1, size // 2 + 2, device=device)
    spectrum = torch.randn(batch, size // 2 + 1, 2, device=device) * (frequency ** (-slope / 2)).unsqueeze(-1)
    real = length_mask(lengths, samples)
    noise = torch.fft.irfft(torch.view_as_complex(spectrum), size)[:, :samples] * real
    snr_db = 60 - 60 * strength + 20 * torch.rand(batch, device=device)
    ratio = waveforms.square().sum(1) / noise.square().sum(1).clamp(min=1e-20)
    gain = torch.where(strength > 0, (ratio * 10 ** (-snr_db / 10)).sqrt(), 0.0)
    noisy: Tensor = waveforms + gain.unsqueeze(1) * noise
    return noisy


def spec_augment(features: Tensor, lengths: Tensor, strength: Tensor) -> Tensor:
    """Hide bands of frequency and stretches of time, drawn anew for every utterance.

    Source: Park et al., "SpecAugment", 2019, with the width of the masks growing with the strength:
    at full strength two bands of up to 40 % of the mels and ten stretches of up to 5 % of the
    frames. Features have zero mean, so a hidden value is zero.
    """
    batch, frames, mels = features.shape
    widest = strength.view(-1, 1, 1)
    bands = _stripes(torch.full((batch,), mels, device=features.device), mels, 2, 0.4 * widest)
    stretches = _stripes(lengths, frames, 10, 0.05 * widest)
    return features.masked_fill(bands.unsqueeze(1) | stretches.unsqueeze(2), 0.0)


def _stripes(lengths: Tensor, size: int, count: int, widest: Tensor) -> Tensor:
    """Draw `count` random stripes a row, each up to `widest` (batch, 1, 1), a share of its length; true inside them."""
    draw = torch.rand(2, len(lengths), count, 1, device=lengths.device)
    extent = lengths.view(-1, 1, 1)
    width = draw[0] * widest * extent
    start = draw[1] * (extent - width)
    position = torch.arange(size, device=lengths.device).view(1, 1, -1)
    inside = (position >= start) & (position < start + width)
    return inside.any(dim=1) & length_mask(lengths, size)
