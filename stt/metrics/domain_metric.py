"""Definition of a metric by domain: counts per utterance, whose sums give the value for a domain.

To add a metric to every run, add a class here and an entry to `METRICS`; name a metric of your own package in the
configuration (`model.metrics`). Logs, tables, results, panels and reports pick up whatever is measured.
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
class AlignedUtterance:
    """Reference and hypothesis of an utterance; alignments are computed on demand and shared by all metrics."""

    reference: str
    hypothesis: str
    seconds: float

    @cached_property
    def characters(self) -> list[Segment]:
        """Character alignment, including spaces."""
        return align(self.reference, self.hypothesis)

    @cached_property
    def words(self) -> list[Segment]:
        """Word alignment, one segment per word."""
        return align_words(self.reference, self.hypothesis)


class DomainMetric(ABC):
    """A ratio measured in each domain; numerator and denominator are summed over utterances and ranks.

    Attributes:
        name: used in the names of logged metrics and in results files.
        title: used as column header and axis label.
        unit: unit of the value; % marks a ratio that is displayed times 100.
    """

    name: str
    title: str
    unit: str = "%"

    @abstractmethod
    def count(self, utterance: AlignedUtterance) -> tuple[int, int]:
        """Return the utterance's contribution to the numerator and to the denominator, as integers."""


class CharacterErrorRate(DomainMetric):
    """Character edits over reference characters; a missing space is an error."""

    name, title = "cer", "CER"

    def count(self, utterance: AlignedUtterance) -> tuple[int, int]:
        """Count edits and reference characters."""
        return character_edits(utterance.reference, utterance.hypothesis), len(utterance.reference)


class WordErrorRate(DomainMetric):
    """Word edits over reference words."""

    name, title = "wer", "WER"

    def count(self, utterance: AlignedUtterance) -> tuple[int, int]:
        """Count edits and reference words."""
        return word_edits(utterance.reference, utterance.hypothesis), len(utterance.reference.split())


METRICS: tuple[DomainMetric, ...] = (CharacterErrorRate(), WordErrorRate())


def with_standard_metrics(extra: Sequence[DomainMetric]) -> tuple[DomainMetric, ...]:
    """Return the standard metrics followed by `extra`.

    Raises:
        InputError: two metrics share a name, or a name is not a valid identifier.
    """
    metrics = (*METRICS, *extra)
    for i, metric in enumerate(metrics):
        if not metric.name.isidentifier() or metric.name in {earlier.name for earlier in metrics[:i]}:
            raise InputError(
                f"{type(metric).__name__}: a domain metric needs a unique name that is a valid identifier, "
                f"not {metric.name!r}"
            )
    return metrics


def format_value(value: float, unit: str, digits: int = 2) -> str:
    """Format a value for tables, without its unit."""
    return f"{100 * value:.{digits}f}" if unit == "%" else f"{value:.{digits}f}"
