"""Texts with times, and how long audio is cut so that a network can take it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stt.audio.io import Waveform
from stt.decoding.greedy import Word

MIN_CHUNK_SECONDS = 15.0
MAX_CHUNK_SECONDS = 25.0  # attention grows with the square of the length, and training saw short utterances


@dataclass(frozen=True)
class Transcript:
    """Text of a recording with its words."""

    text: str
    words: list[Word]
    duration: float  # seconds

    @property
    def confidence(self) -> float:
        """Mean confidence of the words; 1 for an empty text."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 1.0


def split_at_pauses(waveform: Waveform, sample_rate: int) -> list[Waveform]:
    """Cut a long waveform (sample,) where it is quietest, into pieces of 15 to 25 seconds."""
    shortest, longest = int(MIN_CHUNK_SECONDS * sample_rate), int(MAX_CHUNK_SECONDS * sample_rate)
    window = max(1, sample_rate // 5)
    pieces = []
    while len(waveform) > longest:
        energy = np.convolve(np.square(waveform[shortest:longest]), np.ones(window) / window, mode="same")
        cut = shortest + int(energy.argmin())
        pieces.append(waveform[:cut])
        waveform = waveform[cut:]
    return [*pieces, waveform]
