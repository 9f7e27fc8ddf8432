"""Makes the errors of a recognizer in texts that nobody has spoken."""

from __future__ import annotations

from collections import Counter

import numpy as np

from stt.metrics.confusions import Confusions, Pairs


class Corruptor:
    """Draws characters and words by how often the recognizer has taken them for others."""

    def __init__(self, found: Confusions, words_share: float = 0.5) -> None:
        """Take the statistics over.

        Args:
            found: counts over real hypotheses.
            words_share: share of the errors that are made of whole words; the others are made of characters.
        """
        self.words_share = words_share
        self._characters = _Edits(found.characters, found.character_counts)
        self._words = _Edits(found.words, found.word_counts)

    def __call__(self, text: str, rng: np.random.Generator, rate: float = 1.0) -> str:
        """Corrupt a text; at a rate of 1 as often as the recognizer did, at 0 not at all."""
        share = self.words_share
        words = self._words.draw(text.split(), rng, rate * share)
        return " ".join("".join(self._characters.draw(list(" ".join(words)), rng, rate * (1 - share))).split())


class _Edits:
    """Chances of each unit to be taken for another one, or for nothing, and of something new behind it."""

    def __init__(self, pairs: Pairs, counts: Counter[str]) -> None:
        self.instead: dict[str, list[tuple[str, float]]] = {}
        total = max(1, sum(counts.values()))
        self.added = [(theirs, times / total) for (ours, theirs), times in pairs.items() if not ours]
        for (ours, theirs), times in pairs.items():
            if ours:
                self.instead.setdefault(ours, []).append((theirs, times / counts[ours]))

    def draw(self, units: list[str], rng: np.random.Generator, rate: float) -> list[str]:
        written: list[str] = []
        for unit, chance, behind in zip(units, rng.random(len(units)), rng.random(len(units)), strict=True):
            written.append(_chosen(self.instead.get(unit, []), chance, rate, unit))
            written.append(_chosen(self.added, behind, rate, ""))
        return [unit for unit in written if unit]


def _chosen(choices: list[tuple[str, float]], chance: float, rate: float, otherwise: str) -> str:
    for unit, share in choices:
        chance -= rate * share
        if chance < 0:
            return unit
    return otherwise
