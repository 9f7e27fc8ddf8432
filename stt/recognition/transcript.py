"""Transcripts with word times, and segmentation of long audio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stt.audio.io import Waveform
from stt.decoding.greedy import Word

MIN_CHUNK_SECONDS = 15.0
MAX_CHUNK_SECONDS = 25.0  # attention cost is quadratic in length, and the network was trained on short utterances


@dataclass(frozen=True)
class Transcript:
    """Text of a recording with word times and confidences."""

    text: str
    words: list[Word]
    duration: float  # seconds

    @property
    def confidence(self) -> float:
        """Mean confidence of the words; 1 for an empty text."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 1.0


def split_at_pauses(waveform: Waveform, sample_rate: int) -> list[Waveform]:
    """Split a long waveform (sample,) at its quietest points into pieces of 15 to 25 seconds."""
    min_length, max_length = int(MIN_CHUNK_SECONDS * sample_rate), int(MAX_CHUNK_SECONDS * sample_rate)
    window = max(1, sample_rate // 5)
    pieces = []
    while len(waveform) > max_length:
        energy = np.convolve(np.square(waveform[min_length:max_length]), np.ones(window) / window, mode="same")
        cut = min_length + int(energy.argmin())
        pieces.append(waveform[:cut])
        waveform = waveform[cut:]
    return [*pieces, waveform]
