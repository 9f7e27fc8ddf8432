"""Metrics by domain: total errors over total reference length, never averages of per-batch rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from stt.errors import InputError
from stt.metrics.domain_metric import METRICS, AlignedUtterance, DomainMetric


@dataclass  # not frozen: torchmetrics traverses the output of `compute` and rejects frozen dataclasses
class DomainResult:
    """Metrics of one domain and the amount of data behind them."""

    values: dict[str, float]  # by metric name
    utterances: int
    hours: float
    skipped: int = 0  # utterances that the metrics lack

    @property
    def cer(self) -> float:
        """Character error rate."""
        return self.values["cer"]

    @property
    def wer(self) -> float:
        """Word error rate."""
        return self.values["wer"]

    def row(self) -> dict[str, Any]:
        """Return everything as one row of a results file."""
        return {**self.values, "utterances": self.utterances, "hours": self.hours, "skipped": self.skipped}


def count_utterance(utterance: AlignedUtterance, metrics: Sequence[DomainMetric]) -> list[int]:
    """Return the counts of one utterance: numerator and denominator of each metric, utterances (1), milliseconds.

    Raises:
        InputError: a metric does not count in integers, whose sums are exact in any order.
    """
    counts: list[int] = []
    for metric in metrics:
        pair = metric.count(utterance)
        if len(pair) != 2 or not all(isinstance(number, Integral) for number in pair):
            raise InputError(f"{type(metric).__name__}: count returned {pair}, not two integers")
        counts += pair
    return [*counts, 1, round(1000 * utterance.seconds)]


def results_from_counts(
    domains: Sequence[str], counts: Iterable[Sequence[int]], metrics: Sequence[DomainMetric]
) -> dict[str, DomainResult]:
    """Turn sums of `count_utterance` into results by domain; domains without utterances are omitted."""
    results = {}
    for domain, (*metric_counts, utterances, milliseconds) in zip(domains, counts, strict=True):
        if utterances:
            pairs = zip(metrics, metric_counts[::2], metric_counts[1::2], strict=True)
            values = {metric.name: numerator / max(denominator, 1) for metric, numerator, denominator in pairs}
            results[domain] = DomainResult(values, utterances, milliseconds / 3_600_000)
    return results


def measure_by_domain(
    utterances: Iterable[tuple[str, AlignedUtterance]], metrics: Sequence[DomainMetric] = METRICS
) -> dict[str, DomainResult]:
    """Compute results by domain from pairs of domain and utterance; domains are sorted by name."""
    sums: dict[str, list[int]] = {}
    for domain, utterance in utterances:
        counts = count_utterance(utterance, metrics)
        sums[domain] = [a + b for a, b in zip(sums.get(domain, [0] * len(counts)), counts, strict=True)]
    domains = sorted(sums)
    return results_from_counts(domains, [sums[domain] for domain in domains], metrics)


def with_skipped(results: dict[str, DomainResult], skipped: Mapping[str, int]) -> dict[str, DomainResult]:
    """Return the results with the number of skipped utterances of each domain."""
    return {domain: replace(result, skipped=skipped.get(domain, 0)) for domain, result in results.items()}


def mean_over_domains(results: dict[str, DomainResult]) -> dict[str, float]:
    """Return the unweighted mean of each metric: every domain counts the same, whatever its size."""
    names = next(iter(results.values())).values if results else ()
    return {name: sum(result.values[name] for result in results.values()) / len(results) for name in names}
