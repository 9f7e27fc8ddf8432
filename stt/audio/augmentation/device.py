"""Augmentation on the device: RIRs, band limits, noise and gain on waveforms, masks on features.

Random choices are drawn on the host, so that it never waits for the device to learn which transforms to apply.
"""

from __future__ import annotations

import math

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn

from stt.audio.augmentation.noise_and_rirs import read_noise, read_rirs
from stt.audio.augmentation.policy import (
    CUTOUTS,
    DECAY,
    DIRECT,
    FREQUENCY_MASKS,
    GAIN,
    HIGH_CUT,
    LOW_CUT,
    NOISE,
    TIME_MASKS,
    Transform,
)
from stt.errors import InputError
from stt.tensors import length_mask, to_device

MAX_RIR_SECONDS = 1.0
NOISE_COLORS = 16  # of synthetic noise, white to brown
SECONDS_PER_COLOR = 16.0  # synthesizing noise for every utterance took a tenth of a small network's step
LOWEST_HZ = 50.0  # of synthetic noise: microphones pass little below, where brown noise would have all its energy
LOG_60_DB = 3 * math.log(10)  # natural logarithm of an amplitude ratio of 60 dB
EDGE_WIDTH = 0.1  # of a band-pass filter, as a share of the cutoff frequency


class Augmentation(nn.Module):
    """Augmentation controlled by one strength from 0 (off) to 1 (harshest).

    stt.audio.augmentation.policy defines what the strength means to each transform; those that change lengths or need
    a codec are in stt.audio.augmentation.host.
    """

    def __init__(self, strength: float = 0.3, noise: str | None = None, rirs: str | None = None) -> None:
        """Set the strength and the folders of recorded noise and RIRs.

        Args:
            strength: 0 to 1, for utterances without a strength of their own.
            noise: folder of noise recordings; half of the utterances get recorded, half synthetic noise.
            rirs: folder of recorded room impulse responses, which replace the synthetic ones.

        Raises:
            InputError: the strength is outside 0..1.
        """
        super().__init__()
        if not 0 <= strength <= 1:
            raise InputError(f"augmentation strength must lie in 0..1, not {strength}")
        self.strength = strength
        self.noise_folder = noise
        self.rir_folder = rirs
        self.sample_rate = 0
        # Not buffers: these must not be saved in checkpoints or broadcast between ranks at each step.
        self._noises: list[Tensor] = []  # synthetic and recorded, (sample,) each
        self._rirs: Tensor | None = None  # (room, sample)

    def prepare(self, sample_rate: int) -> None:
        """Load the recordings before training, at a sample rate in Hz.

        Raises:
            InputError: a folder is missing or contains no readable audio.
        """
        self.sample_rate = sample_rate
        self._noises = [synthetic_noise(sample_rate)]
        if self.noise_folder:
            self._noises.append(read_noise(self.noise_folder, sample_rate))
        if self.rir_folder:
            self._rirs = read_rirs(self.rir_folder, sample_rate, MAX_RIR_SECONDS)

    def waveforms(self, waveforms: Tensor, lengths: Tensor, strengths: Tensor) -> Tensor:
        """Augment waveforms (batch, sample) of `lengths` (batch,) in training mode; strengths (batch,) on the host."""
        if not self.training or not strengths.any():
            return waveforms
        original = waveforms
        for transform, apply in ((DECAY, self._reverberate), (HIGH_CUT, self._limit_band)):
            rows = transform.sample_rows(strengths).nonzero().flatten()
            if len(rows):
                index = to_device(rows, waveforms.device)
                waveforms = waveforms.index_copy(0, index, apply(waveforms[index], strengths[rows]))
        waveforms = waveforms * length_mask(lengths, waveforms.shape[1])
        self._noises = [noise.to(waveforms.device) for noise in self._noises]
        sources = torch.randint(len(self._noises), (len(strengths),)).tolist()
        noise = torch.stack([random_window(self._noises[i], waveforms.shape[1]) for i in sources])
        waveforms = add_noise(waveforms, lengths, noise, to_device(NOISE.sample_values(strengths), waveforms.device))
        gain = to_device(10 ** (GAIN.sample_values(strengths) / 20), waveforms.device)
        augmented = to_device(strengths > 0, waveforms.device)
        return torch.where(augmented.unsqueeze(1), (waveforms * gain.unsqueeze(1)).clamp(-1, 1), original)

    def features(self, features: Tensor, lengths: Tensor, strengths: Tensor) -> Tensor:
        """Mask features (batch, frame, mel) of `lengths` (batch,) in training mode; strengths as for waveforms."""
        if not self.training or not strengths.any():
            return features
        return spec_augment(features, lengths, strengths)

    def _reverberate(self, waveforms: Tensor, strengths: Tensor) -> Tensor:
        decay, ratio = (to_device(t.sample_values(strengths), waveforms.device) for t in (DECAY, DIRECT))
        if self._rirs is None:
            tails = synthetic_rirs(decay, self.sample_rate)
        else:
            self._rirs = self._rirs.to(waveforms.device)
            tails = self._rirs[to_device(torch.randint(len(self._rirs), (len(strengths),)), waveforms.device)]
        return reverberate(waveforms, tails, ratio)

    def _limit_band(self, waveforms: Tensor, strengths: Tensor) -> Tensor:
        low, high = (to_device(t.sample_values(strengths), waveforms.device) for t in (LOW_CUT, HIGH_CUT))
        return limit_band(waveforms, low, high * self.sample_rate / 2, self.sample_rate)


def synthetic_rirs(decay: Tensor, sample_rate: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw reflections (batch, sample) as decaying noise that falls by 60 dB in `decay` (batch,) seconds.

    The direct sound at time 0 is not included.
    """
    time = torch.arange(1, int(MAX_RIR_SECONDS * sample_rate), device=decay.device) / sample_rate
    noise = torch.randn(len(decay), len(time), generator=generator, device=decay.device)
    return noise * torch.exp(-LOG_60_DB * time / decay.unsqueeze(1))


def reverberate(waveforms: Tensor, tails: Tensor, ratio_db: Tensor) -> Tensor:
    """Add reflections to waveforms (batch, sample), keeping the position and level of the direct sound.

    `tails` (batch, sample) start one sample after the direct sound; they are scaled so that their energy is
    `ratio_db` (batch,) below that of the direct sound.
    """
    energy = tails.square().sum(1, keepdim=True).clamp(min=1e-20)
    tails = tails * (10 ** (-ratio_db / 10)).unsqueeze(1).div(energy).sqrt()
    samples = waveforms.shape[1]
    size = next_fast_len(samples + tails.shape[1], real=True)
    spectrum = torch.fft.rfft(waveforms, size) * torch.fft.rfft(nn.functional.pad(tails, (1, 0)), size)
    reflected: Tensor = torch.fft.irfft(spectrum, size)[:, :samples]
    return waveforms + reflected


def limit_band(waveforms: Tensor, low: Tensor, high: Tensor, sample_rate: int) -> Tensor:
    """Band-pass waveforms (batch, sample) between `low` and `high` (batch,), Hz."""
    samples = waveforms.shape[1]
    size = next_fast_len(samples, real=True)
    frequency = torch.fft.rfftfreq(size, 1 / sample_rate, device=waveforms.device)
    low, high = low.unsqueeze(1), high.unsqueeze(1)
    rise = ((frequency - low) / (EDGE_WIDTH * low + 1) + 0.5).clamp(0, 1)
    fall = ((high - frequency) / (EDGE_WIDTH * high) + 0.5).clamp(0, 1)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(waveforms, size) * (rise * fall), size)[:, :samples]
    return filtered


def synthetic_noise(sample_rate: int) -> Tensor:
    """Return noise (sample,) from white to brown above 50 Hz, concatenated at equal RMS; identical on every call."""
    slopes, samples = torch.linspace(0, 2, NOISE_COLORS), int(SECONDS_PER_COLOR * sample_rate)
    lowest = round(SECONDS_PER_COLOR * LOWEST_HZ)
    return colored_noise(slopes, samples, torch.Generator().manual_seed(0), lowest).flatten()


def colored_noise(slopes: Tensor, samples: int, generator: torch.Generator | None = None, lowest: int = 0) -> Tensor:
    """Draw noise (color, sample) of RMS 1 whose power falls as frequency ** -slope: 0 white, 1 pink, 2 brown.

    Only frequencies of `lowest` periods in `samples` or more are present; 0 is a constant.
    """
    frequency = torch.arange(1, samples // 2 + 2)
    amplitude = frequency ** (-slopes.unsqueeze(1) / 2)
    amplitude[:, :lowest] = 0
    spectrum = torch.randn(len(slopes), samples // 2 + 1, 2, generator=generator) * amplitude.unsqueeze(-1)
    noise: Tensor = torch.fft.irfft(torch.view_as_complex(spectrum), samples)
    return noise / noise.square().mean(1, keepdim=True).sqrt()


def random_window(recording: Tensor, samples: int) -> Tensor:
    """Cut a window (sample,) from a random position of a recording, wrapping around at its end."""
    return window(recording, int(torch.randint(len(recording), ())), samples)


def window(recording: Tensor, start: int, samples: int) -> Tensor:
    """Cut a window (sample,) from a position of a recording (sample,), wrapping around at its end."""
    parts = []
    while samples > 0:
        parts.append(recording[start : start + samples].float())
        samples, start = samples - len(parts[-1]), 0
    return torch.cat(parts)


def add_noise(waveforms: Tensor, lengths: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Add noise (batch, sample) to waveforms at SNRs (batch,) in dB, measured over each utterance's length."""
    noise = noise * length_mask(lengths, waveforms.shape[1])
    ratio = waveforms.square().sum(1) / noise.square().sum(1).clamp(min=1e-20)
    gain = (ratio * 10 ** (-snr_db / 10)).sqrt()
    noisy: Tensor = waveforms + gain.unsqueeze(1) * noise
    return noisy


def spec_augment(features: Tensor, lengths: Tensor, strengths: Tensor) -> Tensor:
    """Apply frequency masks, time masks and cutouts, drawn independently for every utterance.

    Source: Park et al., "SpecAugment", 2019; cutouts: DeVries and Taylor, "Cutout", 2017. Features
    have zero mean, so masked values are set to zero.
    """
    batch, frames, mels = features.shape
    all_mels = torch.full((batch,), mels, device=features.device)
    frequency_masks = _random_spans(all_mels, mels, 2, FREQUENCY_MASKS, strengths).any(dim=1).unsqueeze(1)
    time_masks = _random_spans(lengths, frames, 10, TIME_MASKS, strengths).any(dim=1).unsqueeze(2)
    mel_spans = _random_spans(all_mels, mels, 5, CUTOUTS, strengths)
    frame_spans = _random_spans(lengths, frames, 5, CUTOUTS, strengths)
    cutouts = torch.einsum("bct,bcm->btm", frame_spans.to(features.dtype), mel_spans.to(features.dtype)) > 0
    return features.masked_fill(frequency_masks | time_masks | cutouts, 0.0)


def _random_spans(lengths: Tensor, size: int, count: int, transform: Transform, strengths: Tensor) -> Tensor:
    """Draw `count` random spans per row as masks (batch, count, size), true inside a span."""
    max_width = to_device(transform.range(strengths)[1], lengths.device).view(-1, 1, 1)
    draw = torch.rand(2, len(lengths), count, 1, device=lengths.device)
    extent = lengths.view(-1, 1, 1)
    width = draw[0] * max_width * extent
    start = draw[1] * (extent - width)
    position = torch.arange(size, device=lengths.device).view(1, 1, -1)
    inside: Tensor = (position >= start) & (position < start + width)
    return inside & length_mask(lengths, size).unsqueeze(1)
