"""SNR estimation from frame levels alone, of batches."""

from __future__ import annotations

import torch
from torch import Tensor

from stt.audio.levels import FRAME_SECONDS, LOUD, POWER_FLOOR, QUIET


def level_range(waveforms: Tensor, lengths: Tensor, sample_rate: int) -> Tensor:
    """Return the level difference (batch,) in dB between loud and quiet frames of waveforms (batch, sample).

    Clean speech with pauses has 40 dB and more, speech in noise at an SNR of 5 dB about 6: useful to compare
    utterances, but not an SNR itself. Source: percentile noise estimation as in NIST's quick SNR (stnr).
    """
    size = max(1, int(FRAME_SECONDS * sample_rate))
    frames = waveforms.shape[1] // size
    if not frames:
        return torch.zeros(len(waveforms), device=waveforms.device)
    power = waveforms[:, : frames * size].reshape(len(waveforms), frames, size).square().mean(dim=2)
    levels = 10 * torch.log10(power.clamp_min(POWER_FLOOR))
    real = torch.arange(frames, device=lengths.device) < (lengths // size).clamp_min(1).unsqueeze(1)
    ranges = torch.nanquantile(
        levels.masked_fill(~real, torch.nan).double(), torch.tensor([LOUD, QUIET]).double().to(levels.device), dim=1
    )
    return (ranges[0] - ranges[1]).float()
