"""Metrics by domain: what is counted of each utterance; sums of the counts make the figures of a domain.

A new one that every run should have is a class here and an entry of `METRICS`; one of a user's own package is named in
the configuration (`model.metrics`). Logs, tables, results, panels and reports take whatever is measured.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from stt.errors import InputError
from stt.metrics.alignment import Segment, align, align_words
from stt.metrics.error_rate import character_edits, word_edits


@dataclass
class Compared:
    """An utterance that was recognized; alignments are made when asked for, once for all metrics."""

    reference: str
    hypothesis: str
    seconds: float

    @cached_property
    def characters(self) -> list[Segment]:
        """Alignment of the characters, spaces among them."""
        return align(self.reference, self.hypothesis)

    @cached_property
    def words(self) -> list[Segment]:
        """Alignment of the words, a segment for each."""
        return align_words(self.reference, self.hypothesis)


class DomainMetric(ABC):
    """A figure of each domain: what is counted over out of how much, both summed over utterances and ranks.

    Attributes:
        name: in the names of logged metrics and in files of results.
        title: over columns and beside axes.
        unit: of the figure; % stands for a ratio that is shown times 100.
    """

    name: str
    title: str
    unit: str = "%"

    @abstractmethod
    def count(self, utterance: Compared) -> tuple[int, int]:
        """Count in an utterance: what the metric counts, and out of how much."""


class CharacterErrorRate(DomainMetric):
    """Edits of characters over characters of the reference; a missing space is an error."""

    name, title = "cer", "CER"

    def count(self, utterance: Compared) -> tuple[int, int]:
        """Count edits and characters."""
        return character_edits(utterance.reference, utterance.hypothesis), len(utterance.reference)


class WordErrorRate(DomainMetric):
    """Edits of words over words of the reference."""

    name, title = "wer", "WER"

    def count(self, utterance: Compared) -> tuple[int, int]:
        """Count edits and words."""
        return word_edits(utterance.reference, utterance.hypothesis), len(utterance.reference.split())


METRICS: tuple[DomainMetric, ...] = (CharacterErrorRate(), WordErrorRate())


def standard_and(more: Sequence[DomainMetric]) -> tuple[DomainMetric, ...]:
    """Give the metrics that every run has, then others.

    Raises:
        InputError: two have the same name, or one has a name that no log can hold.
    """
    metrics = (*METRICS, *more)
    for number, one in enumerate(metrics):
        if not one.name.isidentifier() or one.name in {other.name for other in metrics[:number]}:
            raise InputError(f"{type(one).__name__}: a metric by domain needs a name of its own, not {one.name!r}")
    return metrics


def shown(value: float, unit: str, digits: int = 2) -> str:
    """Write a figure without its unit, as tables show it."""
    return f"{100 * value:.{digits}f}" if unit == "%" else f"{value:.{digits}f}"
