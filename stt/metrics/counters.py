"""Figures by domain while a Trainer runs: what metrics.by_domain counts, summed over batches and ranks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from stt.metrics.by_domain import Figures, counts_of, figures_of
from stt.metrics.domain_metric import METRICS, Compared, DomainMetric


class DomainCounters(Metric):
    """Counts of every domain, summed over ranks in int64 (float32 would saturate at 16.7 million)."""

    full_state_update = False
    counts: Tensor  # (domain, what `counts_of` counts)

    def __init__(self, domains: Sequence[str], metrics: Sequence[DomainMetric] = METRICS) -> None:
        """Set up counters for these domains."""
        super().__init__()
        self.domains = list(domains)
        self.measured = list(metrics)
        self._index = {domain: i for i, domain in enumerate(self.domains)}
        columns = 2 * len(self.measured) + 2
        self.add_state("counts", torch.zeros(len(self.domains), columns, dtype=torch.int64), dist_reduce_fx="sum")

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
            utterance = Compared(reference, hypothesis, duration)
            added[self._index[domain]] += torch.tensor(counts_of(utterance, self.measured))
        self.counts += added.to(self.counts.device)

    def compute(self) -> dict[str, Figures]:
        """Give the figures of every domain that has utterances."""
        return figures_of(self.domains, self.counts.tolist(), self.measured)
