"""Edit distances and error rates of single utterances and of many.

Characters are counted with the spaces between words, so a missing space is an error. Edits are
Levenshtein distances computed by rapidfuzz, like jiwer's.
"""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz.distance import Levenshtein

Pair = tuple[str, str]  # reference, hypothesis


def character_edits(reference: str, hypothesis: str) -> int:
    """Fewest insertions, deletions and substitutions of characters."""
    return int(Levenshtein.distance(reference, hypothesis))


def word_edits(reference: str, hypothesis: str) -> int:
    """Fewest insertions, deletions and substitutions of words."""
    return int(Levenshtein.distance(reference.split(), hypothesis.split()))


def character_error_rate(reference: str, hypothesis: str) -> float:
    """CER of one utterance; an empty reference counts as one character."""
    return corpus_cer([(reference, hypothesis)])


def corpus_cer(pairs: Iterable[Pair]) -> float:
    """Total character edits over total reference characters (at least 1)."""
    pairs = list(pairs)
    return sum(character_edits(*pair) for pair in pairs) / max(sum(len(reference) for reference, _ in pairs), 1)


def corpus_wer(pairs: Iterable[Pair]) -> float:
    """Total word edits over total reference words (at least 1)."""
    pairs = list(pairs)
    return sum(word_edits(*pair) for pair in pairs) / max(sum(len(reference.split()) for reference, _ in pairs), 1)
