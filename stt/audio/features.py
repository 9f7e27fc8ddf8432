"""Log-mel features, computed inside the model so that a checkpoint carries its front end."""

from __future__ import annotations

from typing import Literal

import torch
import torchaudio
from torch import Tensor, nn

from stt.registry import register
from stt.tensors import length_mask

PRE_EMPHASIS = 0.97
NORMALIZATION_SECONDS = 3.0
SPEECH_MEAN, SPEECH_DEVIATION = -11.0, 3.5  # of the log-mel energies of speech, rounded


class FrontEnd(nn.Module):
    """Base class of front ends: subclass it, register the subclass and name it in a config."""

    sample_rate: int
    """Sample rate of the waveforms, Hz."""
    n_mels: int
    """Size of a feature frame."""

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Return the number of feature frames (batch,) for numbers of samples (batch,)."""
        raise NotImplementedError

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) into features (batch, frame, mel) and their lengths (batch,)."""
        raise NotImplementedError


@register
class LogMel(FrontEnd):
    """Log-mel spectrogram, numerically identical to that of NVIDIA NeMo's models in sherpa-onnx.

    The network therefore runs there unchanged, on phones and in browsers: Hann window, pre-emphasis, Slaney's mel
    scale and area normalization, frame centers half a hop later than torch's, both ends of the utterance mirrored.
    Source: kaldi-native-fbank with `snip_edges=False` and `is_librosa=True`.
    """

    window: Tensor
    bands: Tensor

    def __init__(
        self,
        sample_rate: int = 16_000,
        n_mels: int = 64,
        window_seconds: float = 0.025,
        hop_seconds: float = 0.010,
        normalization: Literal["window", "utterance", "none"] = "window",
    ) -> None:
        """Set up the front end.

        Args:
            sample_rate: of the waveforms, Hz.
            n_mels: number of mel bands.
            window_seconds: length of the Hann window, seconds.
            hop_seconds: time between frames, seconds.
            normalization: span over which each band gets zero mean and unit deviation: the 3 seconds around a frame,
                so that distant audio and other speakers have no influence, or the whole utterance; "none" shifts and
                scales all bands by the same constants.
        """
        super().__init__()
        self.sample_rate = sample_rate
        self.n_mels = n_mels
        self.normalization = normalization
        self.hop_length = round(hop_seconds * sample_rate)
        self.normalization_frames = round(NORMALIZATION_SECONDS / hop_seconds)
        win_length = round(window_seconds * sample_rate)
        if win_length < 1:
            raise ValueError(f"window_seconds must be at least a sample, not {window_seconds:g} s")
        self.n_fft = 1 << (win_length - 1).bit_length()
        bands = torchaudio.functional.melscale_fbanks(
            self.n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
        # Not persistent: both are derived from the arguments, which checkpoints store.
        self.register_buffer("window", torch.hann_window(win_length), persistent=False)
        self.register_buffer("bands", bands, persistent=False)  # (frequency, mel)

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Return the number of frames (batch,) for numbers of samples (batch,)."""
        return torch.div(samples + self.hop_length // 2, self.hop_length, rounding_mode="floor").clamp(min=1)

    def log_mel(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Compute log-mel energies (batch, frame, mel) of waveforms (batch, sample)."""
        win_length = len(self.window)
        margin = (self.n_fft - win_length) // 2  # torch centers the window in the FFT
        before, after = win_length // 2 - self.hop_length // 2, win_length // 2
        signal = mirror_ends(waveforms, lengths, before, after, margin + 1, self.n_fft)
        spectrum = torch.stft(
            torch.sub(signal[:, 1:], signal[:, :-1], alpha=PRE_EMPHASIS),
            self.n_fft,
            self.hop_length,
            win_length,
            self.window,
            center=False,
            return_complex=True,
        )
        # Many times faster on a CPU than spectrum.abs().square().
        power = spectrum.real.square() + spectrum.imag.square()
        frames = max(1, (waveforms.shape[1] + self.hop_length // 2) // self.hop_length)
        return (power[:, :, :frames].transpose(1, 2) @ self.bands).clamp(min=torch.finfo(torch.float32).eps).log()

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) into features (batch, frame, mel) and their lengths (batch,).

        Always in float32: the range of mel energies exceeds half precision.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            features = self.log_mel(waveforms.float(), lengths)
            frames = self.output_lengths(lengths)
            if self.normalization == "utterance":
                return normalize_utterance(features, frames), frames
            if self.normalization == "window":
                return normalize_windows(features, frames, self.normalization_frames), frames
            mask = length_mask(frames, features.shape[1]).unsqueeze(-1)
            return (features - SPEECH_MEAN) / SPEECH_DEVIATION * mask, frames


def mirror_ends(
    waveforms: Tensor, lengths: Tensor, before: int, after: int, zeros_before: int = 0, zeros_after: int = 0
) -> Tensor:
    """Pad each of the waveforms (batch, sample) at its own start and end with mirrored samples, then with zeros.

    An utterance shorter than the padding is mirrored repeatedly.
    """
    lengths = lengths.clamp(min=1).unsqueeze(1)
    outside = [torch.arange(-before, 0, device=waveforms.device).expand(waveforms.shape[0], -1)]
    outside.append(torch.arange(after, device=waveforms.device) + lengths)
    index = torch.cat(outside, dim=1)
    wrapped = torch.remainder(index, 2 * lengths)
    mirrored = waveforms.gather(1, torch.minimum(wrapped, 2 * lengths - 1 - wrapped))
    start = zeros_before + before
    padded = torch.nn.functional.pad(waveforms, (start, after + zeros_after))
    return padded.scatter_(1, index + start, mirrored)


DEVIATION_FLOOR = 1e-2  # added to deviations, so that digital silence stays zero


def normalize_utterance(features: Tensor, frames: Tensor) -> Tensor:
    """Normalize features (batch, frame, mel) over all `frames` (batch,) of each utterance; padding becomes zero."""
    centered, _ = _center(features, frames)
    deviation = (centered.square().sum(dim=1, keepdim=True) / frames.clamp(min=1).view(-1, 1, 1)).sqrt()
    return centered / (deviation + DEVIATION_FLOOR)


def normalize_windows(features: Tensor, frames: Tensor, width: int) -> Tensor:
    """Normalize each frame of features (batch, frame, mel) over the `width` frames around it; padding becomes zero.

    Near the ends of `frames` (batch,) the window is shifted inwards, not shortened, so that an utterance of at most
    `width` frames is normalized as a whole. Source: sliding-window CMVN of Kaldi, centered.
    """
    size, mels = features.shape[1:]
    width = min(width, size)
    # Subtracting the utterance's mean first keeps differences of cumulative sums accurate.
    centered, mask = _center(features, frames)

    def means(values: Tensor) -> Tensor:
        sums = torch.nn.functional.pad(values.cumsum(dim=1), (0, 0, 1, 0))
        return (sums[:, width:] - sums[:, :-width]) / frames.clamp(1, width).view(-1, 1, 1)

    mean = means(centered)  # of the window that starts at each frame
    deviation = (means(centered.square()) - mean.square()).clamp(min=0).sqrt()
    last = (frames.unsqueeze(1) - width).clamp(min=0)
    start = torch.minimum((torch.arange(size, device=features.device) - width // 2).clamp(min=0), last)
    start = start.unsqueeze(-1).expand(-1, -1, mels)
    return (centered - mean.gather(1, start)) / (deviation.gather(1, start) + DEVIATION_FLOOR) * mask


def _center(features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Subtract each band's mean over real frames; also return the mask (batch, frame, 1) of real frames."""
    mask = length_mask(frames, features.shape[1]).unsqueeze(-1)
    mean = (features * mask).sum(dim=1, keepdim=True) / frames.clamp(min=1).view(-1, 1, 1)
    return (features - mean) * mask, mask
