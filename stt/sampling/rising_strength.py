"""Augmentation that follows the learning: the strength of each domain rises as its training CER falls."""

from __future__ import annotations

import numpy as np

from stt.runs.metric_names import curriculum_metric_name
from stt.sampling.base import Utterances
from stt.sampling.observations import Floats, Observations

LEARNED_CER = 0.1  # training CER at which the full strength is reached
EXPONENT = 4  # of the share of correct characters: at a CER of 50 % the strength is still a tenth (docs/recipe.md)


class RisingStrength:
    """Shares of the full strength by domain: 0 where nothing is recognized yet, 1 where the training CER is 10 %.

    Before anything is recognized, augmentation costs about half of the steps; without it, a small corpus is learned
    by heart later on (docs/recipe.md).
    """

    def __init__(self, domains: list[str]) -> None:
        """Start at 0."""
        self.domains = domains
        self.shares = np.zeros(len(domains), np.float32)

    def update(self, utterances: Utterances, observations: Observations) -> None:
        """Set the shares of the domains that were observed; their CER is that of augmented training batches."""
        index = utterances.domain[observations.rows]
        for domain in range(len(self.domains)):
            cers = observations.cers[(index == domain) & np.isfinite(observations.cers)]
            if len(cers):
                cer = float(np.clip(cers, 0, 1).mean())
                self.shares[domain] = min(1.0, (1 - cer) / (1 - LEARNED_CER)) ** EXPONENT

    def metrics(self) -> dict[str, float]:
        """Return the shares as metrics."""
        return {curriculum_metric_name("strength_share", name): share for name, share in self.state_dict().items()}

    def skip(self) -> None:
        """Start at the full strength, because the network has been trained before."""
        self.shares[:] = 1

    def strengths(self, full: float) -> Floats:
        """Return the strength of each domain (domain,)."""
        return full * self.shares

    def state_dict(self) -> dict[str, float]:
        """Return the share of each domain."""
        return dict(zip(self.domains, self.shares.tolist(), strict=True))

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Restore the shares of the domains that still exist."""
        self.shares = np.array([state.get(domain, 0.0) for domain in self.domains], np.float32)
