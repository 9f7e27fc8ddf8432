"""Edits between what was said and what was recognized.

Characters are counted with the spaces between words, so a missing space is an error. Edits are
Levenshtein distances computed by rapidfuzz, which is what jiwer uses underneath.
"""

from __future__ import annotations

from rapidfuzz.distance import Levenshtein


def character_edits(reference: str, hypothesis: str) -> int:
    """Fewest insertions, deletions and substitutions of characters."""
    return int(Levenshtein.distance(reference, hypothesis))


def word_edits(reference: str, hypothesis: str) -> int:
    """Fewest insertions, deletions and substitutions of words."""
    return int(Levenshtein.distance(reference.split(), hypothesis.split()))


def character_error_rate(reference: str, hypothesis: str) -> float:
    """Edits over characters of one utterance; an empty reference counts as one character."""
    return character_edits(reference, hypothesis) / max(len(reference), 1)
