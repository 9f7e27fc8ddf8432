"""Error rates by domain while a Trainer runs: what metrics.error_rate counts, summed over batches and ranks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from stt.metrics.error_rate import ErrorRate, counts_of, rates_of


class DomainErrorRates(Metric):
    """Error rates of every domain, summed over ranks in int64 (float32 would saturate at 16.7 million)."""

    full_state_update = False
    counts: Tensor  # (domain, what `counts_of` counts)

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
            added[self._index[domain]] += torch.tensor(counts_of(reference, hypothesis, duration))
        self.counts += added.to(self.counts.device)

    def compute(self) -> dict[str, ErrorRate]:
        """Give the error rates of every domain that has utterances."""
        return rates_of(self.domains, self.counts.tolist())
