"""Confusion counts of characters and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from stt.metrics.alignment import align, align_words

Pairs = Counter[tuple[str, str]]  # (reference, hypothesis); "" for an insertion or a deletion


@dataclass
class Confusions:
    """Counts of edits, and of reference characters and words."""

    characters: Pairs = field(default_factory=Counter)
    words: Pairs = field(default_factory=Counter)
    character_counts: Counter[str] = field(default_factory=Counter)  # in the references
    word_counts: Counter[str] = field(default_factory=Counter)

    def add(self, reference: str, hypothesis: str) -> None:
        """Count the edits between two texts."""
        self.character_counts.update(reference)
        self.word_counts.update(reference.split())
        for kind, deleted, inserted in align(reference, hypothesis):
            if kind != "equal":
                self.characters.update(zip_longest(deleted, inserted, fillvalue=""))
        for kind, deleted, inserted in align_words(reference, hypothesis):
            if kind != "equal":
                self.words[deleted, inserted] += 1


def count_confusions(pairs: Iterable[tuple[str, str]]) -> Confusions:
    """Count confusions over pairs of reference and hypothesis."""
    counts = Confusions()
    for reference, hypothesis in pairs:
        counts.add(reference, hypothesis)
    return counts
