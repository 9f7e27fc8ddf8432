"""Figures of every domain: sums of what was counted over sums of out of how much, never means over batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stt.metrics.domain_metric import METRICS, Compared, DomainMetric


@dataclass  # not frozen: torchmetrics walks through what `compute` returns and refuses frozen ones
class Figures:
    """Figures of one domain, with what they were measured on."""

    values: dict[str, float]  # by the names of the metrics
    utterances: int
    hours: float

    @property
    def cer(self) -> float:
        """Character error rate."""
        return self.values["cer"]

    @property
    def wer(self) -> float:
        """Word error rate."""
        return self.values["wer"]

    def row(self) -> dict[str, Any]:
        """All of it in a line of a file of results."""
        return {**self.values, "utterances": self.utterances, "hours": self.hours}


def counts_of(utterance: Compared, metrics: Sequence[DomainMetric]) -> list[int]:
    """Count one utterance: two numbers for each metric, utterances, milliseconds."""
    counted = [number for metric in metrics for number in metric.count(utterance)]
    return [*counted, 1, round(1000 * utterance.seconds)]


def figures_of(
    domains: Sequence[str], counts: Iterable[Sequence[int]], metrics: Sequence[DomainMetric]
) -> dict[str, Figures]:
    """Make figures of what `counts_of` counted, summed by domain; domains without utterances are not named."""
    found = {}
    for domain, (*counted, utterances, milliseconds) in zip(domains, counts, strict=True):
        if utterances:
            pairs = zip(metrics, counted[::2], counted[1::2], strict=True)
            values = {metric.name: what / max(out_of, 1) for metric, what, out_of in pairs}
            found[domain] = Figures(values, utterances, milliseconds / 3_600_000)
    return found


def measure(
    utterances: Iterable[tuple[str, Compared]], metrics: Sequence[DomainMetric] = METRICS
) -> dict[str, Figures]:
    """Figures by domain of (domain, utterance), domains in the order of their names."""
    sums: dict[str, list[int]] = {}
    for domain, utterance in utterances:
        counted = counts_of(utterance, metrics)
        sums[domain] = [a + b for a, b in zip(sums.get(domain, [0] * len(counted)), counted, strict=True)]
    domains = sorted(sums)
    return figures_of(domains, [sums[domain] for domain in domains], metrics)


def mean_over_domains(figures: dict[str, Figures]) -> dict[str, float]:
    """Unweighted mean of each metric: every domain counts the same, however large it is."""
    names = next(iter(figures.values())).values if figures else ()
    return {name: sum(one.values[name] for one in figures.values()) / len(figures) for name in names}
