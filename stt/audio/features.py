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
LEVEL, SPREAD = -11.0, 3.5  # of the log-mel energies of speech, in round numbers


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
    """Log-mel spectrogram, number by number that of NVIDIA NeMo's models in sherpa-onnx.

    So the network runs there unchanged, on phones and in browsers: a Hann window, pre-emphasis, the mel scale and
    the areas of Slaney, frames whose centres lie half a hop after those of torch, both ends of the utterance
    mirrored. Source: kaldi-native-fbank with `snip_edges=False` and `is_librosa=True`.
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
            sample_rate: rate of the waveforms, Hz.
            n_mels: number of mel bands.
            window_seconds: length of the Hann window, seconds.
            hop_seconds: distance between frames, seconds.
            normalization: what each band gets zero mean and unit deviation over: the 3 seconds around a frame, so
                that long audio and another speaker change nothing, or the whole utterance; "none" shifts and scales
                all bands by the same constants.
        """
        super().__init__()
        self.sample_rate = sample_rate
        self.n_mels = n_mels
        self.normalization = normalization
        self.hop_length = round(hop_seconds * sample_rate)
        self.normalization_frames = round(NORMALIZATION_SECONDS / hop_seconds)
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
        return torch.div(samples + self.hop_length // 2, self.hop_length, rounding_mode="floor").clamp(min=1)

    def log_mel(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Logarithms of the mel energies (batch, frame, mel) of waveforms (batch, sample)."""
        win_length = len(self.window)
        margin = (self.n_fft - win_length) // 2  # torch puts the window into the middle of the transform
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
        # Many times faster on a CPU than the absolute value squared.
        power = spectrum.real.square() + spectrum.imag.square()
        frames = max(1, (waveforms.shape[1] + self.hop_length // 2) // self.hop_length)
        return (power[:, :, :frames].transpose(1, 2) @ self.bands).clamp(min=torch.finfo(torch.float32).eps).log()

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) into features (batch, frame, mel) and their lengths (batch,).

        Always float32: mel energies span more decades than half precision holds.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            features = self.log_mel(waveforms.float(), lengths)
            frames = self.output_lengths(lengths)
            if self.normalization == "utterance":
                return over_utterance(features, frames), frames
            if self.normalization == "window":
                return over_windows(features, frames, self.normalization_frames), frames
            return (features - LEVEL) / SPREAD * length_mask(frames, features.shape[1]).unsqueeze(-1), frames


def mirror_ends(
    waveforms: Tensor, lengths: Tensor, before: int, after: int, zeros_before: int = 0, zeros_after: int = 0
) -> Tensor:
    """Put mirror images of both ends of waveforms (batch, sample) around them, wherever in its row one ends, and zeros.

    An utterance that is shorter than its image is mirrored again and again.
    """
    lengths = lengths.clamp(min=1).unsqueeze(1)
    outside = [torch.arange(-before, 0, device=waveforms.device).expand(len(waveforms), -1)]
    outside.append(torch.arange(after, device=waveforms.device) + lengths)
    index = torch.cat(outside, dim=1)
    turned = torch.remainder(index, 2 * lengths)
    images = waveforms.gather(1, torch.minimum(turned, 2 * lengths - 1 - turned))
    start = zeros_before + before
    padded = torch.nn.functional.pad(waveforms, (start, after + zeros_after))
    return padded.scatter_(1, index + start, images)


FLOOR = 1e-2  # added to deviations: digital silence stays zero


def over_utterance(features: Tensor, frames: Tensor) -> Tensor:
    """Normalize features (batch, frame, mel) over all `frames` (batch,) of each utterance; what follows is zero."""
    centred, _ = _centred(features, frames)
    deviation = (centred.square().sum(dim=1, keepdim=True) / frames.clamp(min=1).view(-1, 1, 1)).sqrt()
    return centred / (deviation + FLOOR)


def over_windows(features: Tensor, frames: Tensor, width: int) -> Tensor:
    """Normalize each frame of features (batch, frame, mel) over the `width` frames around it; what follows is zero.

    At the ends of `frames` (batch,) a window keeps its width and looks further to the other side, so that an utterance
    of at most `width` frames is normalized as a whole. Source: sliding-window CMVN of Kaldi, centred.
    """
    size, mels = features.shape[1:]
    width = min(width, size)
    # Around the utterance's mean, where differences of running sums lose few digits.
    centred, mask = _centred(features, frames)

    def means(values: Tensor) -> Tensor:
        sums = torch.nn.functional.pad(values.cumsum(dim=1), (0, 0, 1, 0))
        return (sums[:, width:] - sums[:, :-width]) / frames.clamp(1, width).view(-1, 1, 1)

    mean = means(centred)  # of the window that starts at each frame
    deviation = (means(centred.square()) - mean.square()).clamp(min=0).sqrt()
    last = (frames.unsqueeze(1) - width).clamp(min=0)
    start = torch.minimum((torch.arange(size, device=features.device) - width // 2).clamp(min=0), last)
    start = start.unsqueeze(-1).expand(-1, -1, mels)
    return (centred - mean.gather(1, start)) / (deviation.gather(1, start) + FLOOR) * mask


def _centred(features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Take the mean of each band out of real frames, and the mask (batch, frame, 1) that tells which these are."""
    mask = length_mask(frames, features.shape[1]).unsqueeze(-1)
    mean = (features * mask).sum(dim=1, keepdim=True) / frames.clamp(min=1).view(-1, 1, 1)
    return (features - mean) * mask, mask
