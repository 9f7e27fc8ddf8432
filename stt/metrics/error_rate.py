"""Character and word error rates by domain: sums of edits over sums of lengths, never means over batches.

Characters are counted with the spaces between words, so a missing space is an error. Edits are
Levenshtein distances computed by rapidfuzz, which is what jiwer uses underneath.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor
from torchmetrics import Metric


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


class DomainErrorRates(Metric):
    """Error rates of every domain, summed over ranks in int64 (float32 would saturate at 16.7 million)."""

    full_state_update = False
    counts: Tensor  # (domain, [character edits, characters, word edits, words, utterances, milliseconds])

    def __init__(self, domains: Sequence[str]) -> None:
        """Set up counters for these domains."""
        super().__init__()
        self.domains = list(domains)
        self._index = {domain: i for i, domain in enumerate(self.domains)}
        self.add_state("counts", torch.zeros(len(self.domains), 6, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self,
        domains: Sequence[str],
        references: Sequence[str],
        hypotheses: Sequence[str],
        seconds: Sequence[float],
    ) -> None:
        """Add utterances: their domain, reference, hypothesis and duration in seconds."""
        added = torch.zeros_like(self.counts, device="cpu")
        for domain, reference, hypothesis, duration in zip(domains, references, hypotheses, seconds, strict=True):
            added[self._index[domain]] += torch.tensor(
                [
                    character_edits(reference, hypothesis),
                    len(reference),
                    word_edits(reference, hypothesis),
                    len(reference.split()),
                    1,
                    round(1000 * duration),
                ]
            )
        self.counts += added.to(self.counts.device)

    def compute(self) -> dict[str, ErrorRate]:
        """Give the error rates of every domain that has utterances."""
        rates = {}
        for domain, row in zip(self.domains, self.counts.tolist(), strict=True):
            edits, characters, wrong_words, words, utterances, milliseconds = row
            if utterances:
                rates[domain] = ErrorRate(
                    edits / max(characters, 1), wrong_words / max(words, 1), utterances, milliseconds / 3_600_000
                )
        return rates


def mean_over_domains(rates: dict[str, ErrorRate]) -> dict[str, float]:
    """Unweighted means of CER and WER: every domain counts the same, however large it is."""
    count = max(len(rates), 1)
    return {
        "cer": sum(rate.cer for rate in rates.values()) / count,
        "wer": sum(rate.wer for rate in rates.values()) / count,
    }
