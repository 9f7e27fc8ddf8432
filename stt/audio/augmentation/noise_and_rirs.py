"""Loading the user's recordings of noise and room impulse responses, once before training."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from stt.audio.io import EXTENSIONS, AudioError, Waveform, read_audio
from stt.errors import InputError
from stt.folders import walk

log = logging.getLogger(__name__)
MAX_NOISE_SECONDS = 1800.0  # kept in memory, on the device as well: 58 MB at 16 kHz
MAX_RIRS = 1_000  # likewise: 64 MB at 16 kHz


def read_noise(folder: str, sample_rate: int) -> Tensor:
    """Read noise recordings, normalized to equal loudness and concatenated (sample,), in half precision.

    Raises:
        InputError: the folder is missing or contains no readable audio.
    """
    parts: list[Tensor] = []
    room = int(MAX_NOISE_SECONDS * sample_rate)
    for path, waveform in _recordings(folder, sample_rate):
        if len(waveform) > room:
            log.warning("cutting %s and skipping all later ones: %.0f s of noise are enough", path, MAX_NOISE_SECONDS)
        waveform = waveform[:room]
        loudness = max(float((waveform**2).mean()) ** 0.5, 1e-6)
        parts.append(torch.from_numpy(waveform / (10 * loudness)).half())
        room -= len(waveform)
        if not room:
            break
    return torch.cat(parts)


def read_rirs(folder: str, sample_rate: int, max_seconds: float) -> Tensor:
    """Read the reflections after the direct sound of each RIR: (room, sample), up to `max_seconds` of each.

    Of more than `MAX_RIRS` files, as many are chosen by chance, always the same.

    Raises:
        InputError: the folder is missing or contains no readable audio.
    """
    size = int(max_seconds * sample_rate)
    tails = []
    for _, waveform in _recordings(folder, sample_rate, MAX_RIRS):
        response = torch.from_numpy(waveform)
        after = response[int(response.abs().argmax()) + 1 :][:size]
        tails.append(torch.nn.functional.pad(after, (0, size - len(after))))
    return torch.stack(tails)


def _recordings(folder: str, sample_rate: int, most: int | None = None) -> Iterator[tuple[Path, Waveform]]:
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: folder of recordings not found")
    paths = sorted(path for path in walk(Path(folder)) if path.suffix.lower() in EXTENSIONS)
    if most is not None and len(paths) > most:
        log.warning("%s: %d of the %d recordings are used, chosen by chance", folder, most, len(paths))
        paths = sorted(random.Random(0).sample(paths, most))
    readable = 0
    for path in paths:
        try:
            waveform = read_audio(path, sample_rate)
        except AudioError as error:
            log.warning("skipping a recording: %s", error)
            continue
        readable += 1
        yield path, waveform
    if not readable:
        raise InputError(f"{folder}: no readable audio files")
