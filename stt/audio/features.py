"""Log-mel features, computed inside the model so that a checkpoint carries its front end."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

from stt.audio.masking import length_mask
from stt.registry import register


class FrontEnd(nn.Module):
    """What a recognizer expects of a front end: subclass it, register it, name it in a config."""

    sample_rate: int
    """Rate of the waveforms, Hz."""
    n_mels: int
    """Size of a feature frame."""

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Feature frames (batch,) that come out of so many samples (batch,)."""
        raise NotImplementedError

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) into features (batch, frame, mel) and their lengths (batch,)."""
        raise NotImplementedError


@register
class LogMel(FrontEnd):
    """Log-mel spectrogram, normalized per utterance and mel band over the utterance's real frames.

    The signal is padded with zeros, not reflected: a reflection at the end of a short utterance
    would differ from the zeros that follow it in a batch, and the features would depend on the batch.
    """

    window: Tensor
    bands: Tensor

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_mels: int = 64,
        window_seconds: float = 0.025,
        hop_seconds: float = 0.010,
    ) -> None:
        """Set up the front end.

        Args:
            sample_rate: rate of the waveforms, Hz.
            n_mels: number of mel bands.
            window_seconds: length of the Hann window, seconds.
            hop_seconds: distance between frames, seconds.
        """
        super().__init__()
        self.sample_rate = sample_rate
        self.n_mels = n_mels
        self.hop_length = round(hop_seconds * sample_rate)
        win_length = round(window_seconds * sample_rate)
        self.n_fft = 1 << (win_length - 1).bit_length()
        bands = torchaudio.functional.melscale_fbanks(
            self.n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
        # They follow from the arguments, which a checkpoint carries.
        self.register_buffer("window", torch.hann_window(win_length), persistent=False)
        self.register_buffer("bands", bands, persistent=False)  # (frequency, mel)

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Frames (batch,) that come out of so many samples (batch,)."""
        return torch.div(samples, self.hop_length, rounding_mode="floor") + 1

    def energies(self, waveforms: Tensor) -> Tensor:
        """Mel energies (batch, frame, mel) of waveforms (batch, sample)."""
        spectrum = torch.stft(
            waveforms,
            self.n_fft,
            self.hop_length,
            len(self.window),
            self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        # Many times faster on a CPU than the absolute value squared.
        power = spectrum.real.square() + spectrum.imag.square()
        return power.transpose(1, 2) @ self.bands

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) into features (batch, frame, mel) and their lengths (batch,).

        Always float32: mel energies span more decades than half precision holds.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            features = torch.log(self.energies(waveforms.float()) + 1e-6)
            frames = self.output_lengths(lengths)
            mask = length_mask(frames, features.shape[1]).unsqueeze(-1)
            count = frames.clamp(min=1).view(-1, 1, 1)
            mean = (features * mask).sum(dim=1, keepdim=True) / count
            centred = (features - mean) * mask
            deviation = (centred.square().sum(dim=1, keepdim=True) / count).sqrt()
            return centred / (deviation + 1e-2), frames
