"""Zero mean and unit deviation for each band of features, over an utterance or over what is around a frame."""

from __future__ import annotations

import torch
from torch import Tensor

from stt.audio.masking import length_mask

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
