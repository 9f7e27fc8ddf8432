"""Benchmark of data loading on one core: reading files, and the augmentation on the host."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from stt.audio.augmentation.host import augment_waveform
from stt.corpus.manifest import Manifest
from stt.errors import InputError
from stt.progress import track


def loading_speed(
    manifest: Manifest, sample_rate: int, strengths: Sequence[float], max_utterances: int
) -> dict[str, dict[str, int]]:
    """Measure audio seconds per CPU second by domain: reading alone, and with augmentation at each strength.

    Args:
        manifest: the utterances.
        sample_rate: rate to read at, Hz.
        strengths: of the augmentation, 0 to 1.
        max_utterances: number of utterances to read per domain, sampled at random.

    Raises:
        InputError: a file cannot be read, or a strength is outside 0..1.
    """
    if not all(0 <= strength <= 1 for strength in strengths):
        raise InputError(f"augmentation strengths must lie in 0..1, not {list(strengths)}")
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    speeds = {}
    rows_by_domain = zip(manifest.domains, manifest.rows_by_domain(), strict=True)
    for domain, rows in track(list(rows_by_domain), "reading"):
        sample = rng.permutation(rows)[:max_utterances].tolist()
        started = time.process_time()
        waveforms = [manifest.waveform(row, sample_rate) for row in sample]
        reading = time.process_time() - started
        seconds = sum(len(waveform) for waveform in waveforms) / sample_rate
        speeds[domain] = {"reading": round(seconds / reading)}
        for strength in strengths:
            started = time.process_time()
            for waveform in waveforms:
                augment_waveform(waveform, sample_rate, strength, rng, rng)
            elapsed = reading + time.process_time() - started
            speeds[domain][f"strength {strength:g}"] = round(seconds / elapsed)
    return speeds
