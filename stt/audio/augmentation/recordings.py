"""Noise and rooms of the user's own folders, read once before training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from stt.audio.io import EXTENSIONS, AudioError, Waveform, read_audio
from stt.errors import InputError

log = logging.getLogger(__name__)
MOST_NOISE = 1800.0  # seconds that are held, on the device too: 58 MB at 16 kHz


def read_noise(folder: str, sample_rate: int) -> Tensor:
    """Read recordings (sample,) of noise, one after the other and equally loud, in half precision.

    Raises:
        InputError: the folder is missing or holds nothing that can be read.
    """
    parts: list[Tensor] = []
    seconds = 0.0
    for path, waveform in _recordings(folder, sample_rate):
        if seconds >= MOST_NOISE:
            log.warning("not used, %.0f s of noise are enough: %s and what follows", seconds, path)
            break
        loudness = max(float((waveform**2).mean()) ** 0.5, 1e-6)
        parts.append(torch.from_numpy(waveform / (10 * loudness)).half())
        seconds += len(waveform) / sample_rate
    return torch.cat(parts)


def read_rirs(folder: str, sample_rate: int, longest: float) -> Tensor:
    """Read what follows the direct sound in impulse responses: (room, sample), up to `longest` seconds of each.

    Raises:
        InputError: the folder is missing or holds nothing that can be read.
    """
    size = int(longest * sample_rate)
    tails = []
    for _, waveform in _recordings(folder, sample_rate):
        response = torch.from_numpy(waveform)
        after = response[int(response.abs().argmax()) + 1 :][:size]
        tails.append(torch.nn.functional.pad(after, (0, size - len(after))))
    return torch.stack(tails)


def _recordings(folder: str, sample_rate: int) -> Iterator[tuple[Path, Waveform]]:
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: there is no such folder of recordings")
    readable = 0
    for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in EXTENSIONS):
        try:
            waveform = read_audio(path, sample_rate)
        except AudioError as error:
            log.warning("not used: %s", error)
            continue
        readable += 1
        yield path, waveform
    if not readable:
        raise InputError(f"{folder}: no audio that can be read")
