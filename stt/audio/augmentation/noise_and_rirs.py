"""Loading the user's recordings of noise and room impulse responses, once before training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from stt.audio.io import EXTENSIONS, AudioError, Waveform, read_audio
from stt.errors import InputError
from stt.folders import walk

log = logging.getLogger(__name__)
MAX_NOISE_SECONDS = 1800.0  # kept in memory, on the device as well: 58 MB at 16 kHz


def read_noise(folder: str, sample_rate: int) -> Tensor:
    """Read noise recordings, normalized to equal loudness and concatenated (sample,), in half precision.

    Raises:
        InputError: the folder is missing or contains no readable audio.
    """
    parts: list[Tensor] = []
    seconds = 0.0
    for path, waveform in _recordings(folder, sample_rate):
        if seconds >= MAX_NOISE_SECONDS:
            log.warning("skipping %s and all later noise recordings: %.0f s are loaded already", path, seconds)
            break
        loudness = max(float((waveform**2).mean()) ** 0.5, 1e-6)
        parts.append(torch.from_numpy(waveform / (10 * loudness)).half())
        seconds += len(waveform) / sample_rate
    return torch.cat(parts)


def read_rirs(folder: str, sample_rate: int, max_seconds: float) -> Tensor:
    """Read the reflections after the direct sound of each RIR: (room, sample), up to `max_seconds` of each.

    Raises:
        InputError: the folder is missing or contains no readable audio.
    """
    size = int(max_seconds * sample_rate)
    tails = []
    for _, waveform in _recordings(folder, sample_rate):
        response = torch.from_numpy(waveform)
        after = response[int(response.abs().argmax()) + 1 :][:size]
        tails.append(torch.nn.functional.pad(after, (0, size - len(after))))
    return torch.stack(tails)


def _recordings(folder: str, sample_rate: int) -> Iterator[tuple[Path, Waveform]]:
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: folder of recordings not found")
    readable = 0
    for path in sorted(p for p in walk(Path(folder)) if p.suffix.lower() in EXTENSIONS):
        try:
            waveform = read_audio(path, sample_rate)
        except AudioError as error:
            log.warning("skipping a recording: %s", error)
            continue
        readable += 1
        yield path, waveform
    if not readable:
        raise InputError(f"{folder}: no readable audio files")
