"""Which characters and words are taken for which others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from stt.metrics.alignment import align, align_words

Pairs = Counter[tuple[str, str]]  # (in the reference, in the hypothesis); "" where there is nothing


@dataclass
class Confusions:
    """Counts of edits, and of all that could have been one."""

    characters: Pairs = field(default_factory=Counter)
    words: Pairs = field(default_factory=Counter)
    character_counts: Counter[str] = field(default_factory=Counter)  # in the references
    word_counts: Counter[str] = field(default_factory=Counter)

    def add(self, reference: str, hypothesis: str) -> None:
        """Count the edits between two texts."""
        self.character_counts.update(reference)
        self.word_counts.update(reference.split())
        for kind, ours, theirs in align(reference, hypothesis):
            if kind == "replace":
                self.characters.update(zip(ours, theirs, strict=True))
            elif kind == "insert":
                self.characters.update(("", character) for character in theirs)
            elif kind == "delete":
                self.characters.update((character, "") for character in ours)
        for kind, ours, theirs in align_words(reference, hypothesis):
            if kind != "equal":
                self.words[ours, theirs] += 1


def confusions(pairs: Iterable[tuple[str, str]]) -> Confusions:
    """Count over pairs of reference and hypothesis."""
    counted = Confusions()
    for reference, hypothesis in pairs:
        counted.add(reference, hypothesis)
    return counted
