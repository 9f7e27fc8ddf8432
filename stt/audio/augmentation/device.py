"""The part of the augmentation that runs on the device: rooms, bands, noise and gain in waveforms, masks in features.

All is drawn on the host, which knows then what there is to do without asking the device.
"""

from __future__ import annotations

import math

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn

from stt.audio.augmentation.policy import (
    BANDS,
    DECAY,
    DIRECT,
    GAIN,
    HIGH_CUT,
    LOW_CUT,
    NOISE,
    PATCHES,
    STRETCHES,
    Transform,
)
from stt.audio.augmentation.recordings import read_noise, read_rirs
from stt.errors import InputError
from stt.tensors import length_mask, to_device

LONGEST_REFLECTION = 1.0  # s
COLOURS = 16  # of made-up noise, white to brown
COLOUR_SECONDS = 16.0  # of each; drawing noise anew for each utterance took a tenth of a small network's step
FALL = 3 * math.log(10)  # of amplitudes, until they are 60 dB lower
SLOPE = 0.1  # width of a band's edges, as a share of their frequency


class Augmentation(nn.Module):
    """What makes training harder, by one strength from 0 (nothing) to 1 (harshest).

    stt.audio.augmentation.policy says what the strength means to each member; speed, pitch and codecs are in
    stt.audio.augmentation.host.
    """

    def __init__(self, strength: float = 0.3, noise: str | None = None, rirs: str | None = None) -> None:
        """Set the strength and name what is to be mixed in.

        Args:
            strength: 0 to 1, of utterances that are not given one of their own.
            noise: folder of recordings of noise; half of the utterances get these, half made-up noise.
            rirs: folder of recorded impulse responses, which take the place of made-up ones.

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
        # Not buffers: they are neither in checkpoints nor sent from rank to rank at each step.
        self._noises: list[Tensor] = []  # made up and recorded, (sample,) each
        self._rirs: Tensor | None = None  # (room, sample)

    def prepare(self, sample_rate: int) -> None:
        """Read the recordings, before training, at a rate in Hz.

        Raises:
            InputError: a folder is missing or holds no audio that can be read.
        """
        self.sample_rate = sample_rate
        self._noises = [synthetic_noise(sample_rate)]
        if self.noise_folder:
            self._noises.append(read_noise(self.noise_folder, sample_rate))
        if self.rir_folder:
            self._rirs = read_rirs(self.rir_folder, sample_rate, LONGEST_REFLECTION)

    def waveforms(self, waveforms: Tensor, lengths: Tensor, strengths: Tensor) -> Tensor:
        """Augment waveforms (batch, sample) of `lengths` (batch,) while training, by strengths (batch,) on the host."""
        if not self.training or not strengths.any():
            return waveforms
        original = waveforms
        for member, change in ((DECAY, self._reflect), (HIGH_CUT, self._limit)):
            rows = member.chosen(strengths).nonzero().flatten()
            if len(rows):
                place = to_device(rows, waveforms.device)
                waveforms = waveforms.index_copy(0, place, change(waveforms[place], strengths[rows]))
        waveforms = waveforms * length_mask(lengths, waveforms.shape[1])
        self._noises = [noise.to(waveforms.device) for noise in self._noises]
        chosen = torch.randint(len(self._noises), (len(strengths),)).tolist()
        noise = torch.stack([window(self._noises[which], waveforms.shape[1]) for which in chosen])
        waveforms = add_noise(waveforms, lengths, noise, to_device(NOISE.drawn(strengths), waveforms.device))
        gain = to_device(10 ** (GAIN.drawn(strengths) / 20), waveforms.device)
        touched = to_device(strengths > 0, waveforms.device)
        return torch.where(touched.unsqueeze(1), (waveforms * gain.unsqueeze(1)).clamp(-1, 1), original)

    def features(self, features: Tensor, lengths: Tensor, strengths: Tensor) -> Tensor:
        """Mask features (batch, frame, mel) of `lengths` (batch,) while training; strengths as for waveforms."""
        if not self.training or not strengths.any():
            return features
        return spec_augment(features, lengths, strengths)

    def _reflect(self, waveforms: Tensor, strengths: Tensor) -> Tensor:
        decay, ratio = (to_device(m.drawn(strengths), waveforms.device) for m in (DECAY, DIRECT))
        if self._rirs is None:
            tails = synthetic_rirs(decay, self.sample_rate)
        else:
            self._rirs = self._rirs.to(waveforms.device)
            tails = self._rirs[to_device(torch.randint(len(self._rirs), (len(strengths),)), waveforms.device)]
        return reverberate(waveforms, tails, ratio)

    def _limit(self, waveforms: Tensor, strengths: Tensor) -> Tensor:
        low, high = (to_device(m.drawn(strengths), waveforms.device) for m in (LOW_CUT, HIGH_CUT))
        return limit_band(waveforms, low, high * self.sample_rate / 2, self.sample_rate)


def synthetic_rirs(decay: Tensor, sample_rate: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw reflections (batch, sample) as decaying noise that falls by 60 dB in `decay` (batch,) seconds.

    The direct sound at time 0 is not included.
    """
    time = torch.arange(1, int(LONGEST_REFLECTION * sample_rate), device=decay.device) / sample_rate
    noise = torch.randn(len(decay), len(time), generator=generator, device=decay.device)
    return noise * torch.exp(-FALL * time / decay.unsqueeze(1))


def reverberate(waveforms: Tensor, tails: Tensor, ratio_db: Tensor) -> Tensor:
    """Add reflections to waveforms (batch, sample): the direct sound stays where and as loud as it was.

    `tails` (batch, sample) begin one sample after the direct sound; their energy is set to lie
    `ratio_db` (batch,) under that of the direct sound.
    """
    energy = tails.square().sum(1, keepdim=True).clamp(min=1e-20)
    tails = tails * (10 ** (-ratio_db / 10)).unsqueeze(1).div(energy).sqrt()
    samples = waveforms.shape[1]
    size = next_fast_len(samples + tails.shape[1], real=True)
    spectrum = torch.fft.rfft(waveforms, size) * torch.fft.rfft(nn.functional.pad(tails, (1, 0)), size)
    reflected: Tensor = torch.fft.irfft(spectrum, size)[:, :samples]
    return waveforms + reflected


def limit_band(waveforms: Tensor, low: Tensor, high: Tensor, sample_rate: int) -> Tensor:
    """Keep of waveforms (batch, sample) what lies between `low` and `high` (batch,), Hz."""
    samples = waveforms.shape[1]
    size = next_fast_len(samples, real=True)
    frequency = torch.fft.rfftfreq(size, 1 / sample_rate, device=waveforms.device)
    low, high = low.unsqueeze(1), high.unsqueeze(1)
    rise = ((frequency - low) / (SLOPE * low + 1) + 0.5).clamp(0, 1)
    fall = ((high - frequency) / (SLOPE * high) + 0.5).clamp(0, 1)
    kept: Tensor = torch.fft.irfft(torch.fft.rfft(waveforms, size) * (rise * fall), size)[:, :samples]
    return kept


def synthetic_noise(sample_rate: int) -> Tensor:
    """Return noise (sample,) from white to brown, concatenated at equal loudness; identical on every call."""
    slopes = torch.linspace(0, 2, COLOURS)
    return colored_noise(slopes, int(COLOUR_SECONDS * sample_rate), torch.Generator().manual_seed(0)).flatten()


def colored_noise(slopes: Tensor, samples: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw noise (colour, sample) of RMS 1 whose power falls as frequency ** -slope: 0 white, 1 pink, 2 brown."""
    frequency = torch.arange(1, samples // 2 + 2)
    amplitude = frequency ** (-slopes.unsqueeze(1) / 2)
    spectrum = torch.randn(len(slopes), samples // 2 + 1, 2, generator=generator) * amplitude.unsqueeze(-1)
    noise: Tensor = torch.fft.irfft(torch.view_as_complex(spectrum), samples)
    return noise / noise.square().mean(1, keepdim=True).sqrt()


def window(recording: Tensor, samples: int) -> Tensor:
    """Cut a window (sample,) out of a recording, beginning anywhere; it goes round."""
    parts, start = [], int(torch.randint(len(recording), ()))
    while samples > 0:
        parts.append(recording[start : start + samples].float())
        samples, start = samples - len(parts[-1]), 0
    return torch.cat(parts)


def add_noise(waveforms: Tensor, lengths: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Add noise (batch, sample) to waveforms at signal-to-noise ratios (batch,) over each utterance's length."""
    noise = noise * length_mask(lengths, waveforms.shape[1])
    ratio = waveforms.square().sum(1) / noise.square().sum(1).clamp(min=1e-20)
    gain = (ratio * 10 ** (-snr_db / 10)).sqrt()
    noisy: Tensor = waveforms + gain.unsqueeze(1) * noise
    return noisy


def spec_augment(features: Tensor, lengths: Tensor, strengths: Tensor) -> Tensor:
    """Hide bands of frequency, stretches of time and patches of both, drawn anew for every utterance.

    Source: Park et al., "SpecAugment", 2019; patches: DeVries and Taylor, "Cutout", 2017. Features
    have zero mean, so a hidden value is zero.
    """
    batch, frames, mels = features.shape
    all_mels = torch.full((batch,), mels, device=features.device)
    bands = _stripes(all_mels, mels, 2, BANDS, strengths).any(dim=1).unsqueeze(1)
    stretches = _stripes(lengths, frames, 10, STRETCHES, strengths).any(dim=1).unsqueeze(2)
    high = _stripes(all_mels, mels, 5, PATCHES, strengths)
    wide = _stripes(lengths, frames, 5, PATCHES, strengths)
    patches = torch.einsum("bpt,bpm->btm", wide.to(features.dtype), high.to(features.dtype)) > 0
    return features.masked_fill(bands | stretches | patches, 0.0)


def _stripes(lengths: Tensor, size: int, count: int, member: Transform, strengths: Tensor) -> Tensor:
    """Draw `count` random stripes a row, true inside of them: (batch, count, size)."""
    widest = to_device(member.range(strengths)[1], lengths.device).view(-1, 1, 1)
    draw = torch.rand(2, len(lengths), count, 1, device=lengths.device)
    extent = lengths.view(-1, 1, 1)
    width = draw[0] * widest * extent
    start = draw[1] * (extent - width)
    position = torch.arange(size, device=lengths.device).view(1, 1, -1)
    inside: Tensor = (position >= start) & (position < start + width)
    return inside & length_mask(lengths, size).unsqueeze(1)
