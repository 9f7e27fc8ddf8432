"""The transcript of a recording, with the times of its words."""

from __future__ import annotations

from dataclasses import dataclass

from stt.decoding.words import Word


@dataclass(frozen=True)
class Transcript:
    """Text of a recording with word times and confidences."""

    text: str
    words: list[Word]
    duration: float  # seconds

    @classmethod
    def of(cls, words: list[Word], duration: float) -> Transcript:
        """Return the transcript that consists of these words."""
        return cls(" ".join(word.text for word in words), words, duration)

    @property
    def confidence(self) -> float:
        """Mean confidence of the words; 1 for an empty text."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 1.0
