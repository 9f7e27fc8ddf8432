"""Log-mel features, computed inside the model so that a checkpoint carries its front end."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

from stt.audio.masking import length_mask


class LogMel(nn.Module):
    """Log-mel spectrogram, normalized per utterance and mel band over the utterance's real frames.

    The signal is padded with zeros, not reflected: a reflection at the end of a short utterance
    would differ from the zeros that follow it in a batch, and the features would depend on the batch.
    """

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
        self.mel = torchaudio.transforms.MelSpectrogram(
            sample_rate,
            n_fft=1 << (win_length - 1).bit_length(),
            win_length=win_length,
            hop_length=self.hop_length,
            n_mels=n_mels,
            center=True,
            pad_mode="constant",
            norm="slaney",
            mel_scale="slaney",
        )

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Frames (batch,) that come out of so many samples (batch,)."""
        return torch.div(samples, self.hop_length, rounding_mode="floor") + 1

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) into features (batch, frame, mel) and their lengths (batch,).

        Always float32: mel energies span more decades than half precision holds.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            energies = self.mel(waveforms.float()).transpose(1, 2)
            features = torch.log(energies + 1e-6)
            frames = self.output_lengths(lengths)
            mask = length_mask(frames, features.shape[1]).unsqueeze(-1)
            count = frames.clamp(min=1).view(-1, 1, 1)
            mean = (features * mask).sum(dim=1, keepdim=True) / count
            centred = (features - mean) * mask
            deviation = (centred.square().sum(dim=1, keepdim=True) / count).sqrt()
            return centred / (deviation + 1e-2), frames
