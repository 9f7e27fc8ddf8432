"""Simulates recognition errors in text."""

from __future__ import annotations

from collections import Counter

import numpy as np

from stt.metrics.confusions import Confusions, Pairs

WORDS_SHARE = 0.5  # of errors that concern whole words; the rest concern characters


class Corruptor:
    """Corrupts texts with character and word errors at the frequencies observed in real hypotheses."""

    def __init__(self, confusions: Confusions) -> None:
        """Take the error statistics of real hypotheses."""
        self._characters = _Edits(confusions.characters, confusions.character_counts)
        self._words = _Edits(confusions.words, confusions.word_counts)

    def __call__(self, text: str, rng: np.random.Generator, rate: float = 1.0) -> str:
        """Corrupt a text at `rate` times the error rate of the recognizer."""
        words = self._words.draw(text.split(), rng, rate * WORDS_SHARE)
        return " ".join("".join(self._characters.draw(list(" ".join(words)), rng, rate * (1 - WORDS_SHARE))).split())


class _Edits:
    """Probabilities of substituting or deleting each unit, and of inserting another after it."""

    def __init__(self, pairs: Pairs, counts: Counter[str]) -> None:
        self.replacements: dict[str, list[tuple[str, float]]] = {}
        total = max(1, sum(counts.values()))
        self.insertions = [
            (hypothesis, count / total) for (reference, hypothesis), count in pairs.items() if not reference
        ]
        for (reference, hypothesis), count in pairs.items():
            if reference:
                self.replacements.setdefault(reference, []).append((hypothesis, count / counts[reference]))

    def draw(self, units: list[str], rng: np.random.Generator, rate: float) -> list[str]:
        output: list[str] = []
        for unit, replace_at, insert_at in zip(units, rng.random(len(units)), rng.random(len(units)), strict=True):
            output.append(_pick(self.replacements.get(unit, []), replace_at, rate, unit))
            output.append(_pick(self.insertions, insert_at, rate, ""))
        return [unit for unit in output if unit]


def _pick(choices: list[tuple[str, float]], uniform: float, rate: float, default: str) -> str:
    """Pick one of the choices by their probabilities times `rate`, given a uniform random number in [0, 1)."""
    for unit, probability in choices:
        uniform -= rate * probability
        if uniform < 0:
            return unit
    return default
