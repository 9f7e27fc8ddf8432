"""Results by domain during training and testing: counts accumulated over batches and ranks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from stt.metrics.domain_metric import METRICS, AlignedUtterance, DomainMetric
from stt.metrics.domain_results import DomainResult, count_utterance, results_from_counts


class DomainCounters(Metric):
    """Counts by domain, summed over ranks in int64 (float32 would saturate at 16.7 million)."""

    full_state_update = False
    counts: Tensor  # (domain, count), the columns of `count_utterance`

    def __init__(self, domains: Sequence[str], metrics: Sequence[DomainMetric] = METRICS) -> None:
        """Create zero counts for these domains."""
        super().__init__()
        self.domains = list(domains)
        self.domain_metrics = list(metrics)
        self._index = {domain: i for i, domain in enumerate(self.domains)}
        columns = 2 * len(self.domain_metrics) + 2
        self.add_state("counts", torch.zeros(len(self.domains), columns, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self,
        domains: Sequence[str],
        references: Sequence[str],
        hypotheses: Sequence[str],
        seconds: Sequence[float],
    ) -> None:
        """Add utterances by domain, reference, hypothesis and duration in seconds."""
        added = torch.zeros_like(self.counts, device="cpu")
        for domain, reference, hypothesis, duration in zip(domains, references, hypotheses, seconds, strict=True):
            utterance = AlignedUtterance(reference, hypothesis, duration)
            added[self._index[domain]] += torch.tensor(count_utterance(utterance, self.domain_metrics))
        self.counts += added.to(self.counts.device)

    def compute(self) -> dict[str, DomainResult]:
        """Return the result of every domain that has utterances."""
        return results_from_counts(self.domains, self.counts.tolist(), self.domain_metrics)
