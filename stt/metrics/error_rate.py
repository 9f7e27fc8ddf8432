"""Character and word error rates by domain: sums of edits over sums of lengths, never means over batches.

Characters are counted with the spaces between words, so a missing space is an error. Edits are
Levenshtein distances computed by rapidfuzz, which is what jiwer uses underneath.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein


@dataclass  # not frozen: torchmetrics walks through what `compute` returns and refuses frozen ones
class ErrorRate:
    """Error rates of one domain, with what they were measured on."""

    cer: float
    wer: float
    utterances: int
    hours: float


def character_edits(reference: str, hypothesis: str) -> int:
    """Fewest insertions, deletions and substitutions of characters."""
    return int(Levenshtein.distance(reference, hypothesis))


def word_edits(reference: str, hypothesis: str) -> int:
    """Fewest insertions, deletions and substitutions of words."""
    return int(Levenshtein.distance(reference.split(), hypothesis.split()))


def character_error_rate(reference: str, hypothesis: str) -> float:
    """Edits over characters of one utterance; an empty reference counts as one character."""
    return character_edits(reference, hypothesis) / max(len(reference), 1)


def counts_of(reference: str, hypothesis: str, seconds: float) -> tuple[int, ...]:
    """Count one utterance: character edits, characters, word edits, words, utterances, milliseconds."""
    return (
        character_edits(reference, hypothesis),
        len(reference),
        word_edits(reference, hypothesis),
        len(reference.split()),
        1,
        round(1000 * seconds),
    )


def rates_of(domains: Sequence[str], counts: Iterable[Sequence[int]]) -> dict[str, ErrorRate]:
    """Make error rates of what `counts_of` counted, summed by domain; domains without utterances are not named."""
    rates = {}
    for domain, (edits, characters, wrong_words, words, utterances, milliseconds) in zip(domains, counts, strict=True):
        if utterances:
            rates[domain] = ErrorRate(
                edits / max(characters, 1), wrong_words / max(words, 1), utterances, milliseconds / 3_600_000
            )
    return rates


def error_rates(utterances: Iterable[tuple[str, str, str, float]]) -> dict[str, ErrorRate]:
    """Error rates by domain of (domain, reference, hypothesis, seconds), domains in the order of their names."""
    sums: dict[str, list[int]] = {}
    for domain, reference, hypothesis, seconds in utterances:
        counted = counts_of(reference, hypothesis, seconds)
        sums[domain] = [a + b for a, b in zip(sums.get(domain, [0] * len(counted)), counted, strict=True)]
    domains = sorted(sums)
    return rates_of(domains, [sums[domain] for domain in domains])


def mean_over_domains(rates: dict[str, ErrorRate]) -> dict[str, float]:
    """Unweighted means of CER and WER: every domain counts the same, however large it is."""
    count = max(len(rates), 1)
    return {
        "cer": sum(rate.cer for rate in rates.values()) / count,
        "wer": sum(rate.wer for rate in rates.values()) / count,
    }
