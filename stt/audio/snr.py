"""How far speech stands out of what is around it, estimated from levels alone."""

from __future__ import annotations

import torch
from torch import Tensor

FRAME_SECONDS = 0.02
LOUD, QUIET = 0.9, 0.1  # quantiles of the frames' levels
FLOOR = 1e-10  # power, -100 dB: digital silence is not infinitely quiet


def level_range(waveforms: Tensor, lengths: Tensor, sample_rate: int) -> Tensor:
    """Difference (batch,) in dB between the loud and the quiet frames of waveforms (batch, sample).

    With pauses in it, clean speech has 40 dB and more, speech in a noise of an SNR of 5 dB about 6: a measure to
    compare utterances by, not an SNR itself. Source: percentile noise estimation as in NIST's quick SNR (stnr).
    """
    size = max(1, int(FRAME_SECONDS * sample_rate))
    frames = waveforms.shape[1] // size
    if not frames:
        return torch.zeros(len(waveforms), device=waveforms.device)
    power = waveforms[:, : frames * size].reshape(len(waveforms), frames, size).square().mean(dim=2)
    levels = 10 * torch.log10(power.clamp_min(FLOOR))
    real = torch.arange(frames, device=lengths.device) < (lengths // size).clamp_min(1).unsqueeze(1)
    ranges = torch.nanquantile(
        levels.masked_fill(~real, torch.nan).double(), torch.tensor([LOUD, QUIET]).double().to(levels.device), dim=1
    )
    return (ranges[0] - ranges[1]).float()
