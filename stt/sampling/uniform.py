"""Uniform sampling: every utterance of a domain once per pass over the domain."""

from __future__ import annotations

from typing import Any

import numpy as np

from stt.sampling.base import Sample, Sampler, Utterances, cer_metrics
from stt.sampling.observations import Floats, Observations, Rows
from stt.sampling.rising_strength import RisingStrength


class UniformSampler(Sampler):
    """Samples every utterance of a domain equally often, in passes that are shuffled independently."""

    def __init__(self, rising_strength: bool = True) -> None:
        """Set the augmentation.

        Args:
            rising_strength: augmentation starts without strength and reaches the configured one as the network
                learns; else it is constant.
        """
        self.uses_feedback = rising_strength

    def start(self, utterances: Utterances, seed: int) -> None:
        """Start the first pass over each domain."""
        self.utterances = utterances
        self._strength = RisingStrength(utterances.domains) if self.uses_feedback else None
        self.seed = seed
        self._passes = [0] * len(utterances.domains)  # completed
        self._taken = [0] * len(utterances.domains)  # utterances of the current pass
        self._returned: list[Rows] = [np.zeros(0, np.int64)] * len(utterances.domains)

    def plan(self, counts: list[int], window: int, progress: float = 0.0) -> Sample:
        """Take the next rows of each domain's pass, starting a new pass when one ends."""
        rows = np.concatenate([self._next(domain, count) for domain, count in enumerate(counts)])
        return Sample(rows, np.ones(len(rows), np.float32))

    def put_back(self, rows: Rows) -> None:
        """Keep rows for the next window."""
        for domain, returned in enumerate(self._returned):
            self._returned[domain] = np.concatenate([returned, rows[self.utterances.domain[rows] == domain]])

    def update(self, observations: Observations) -> dict[str, float]:
        """Adapt the augmentation strength; return the observed CER by domain."""
        metrics = cer_metrics(self.utterances, observations)
        if self._strength:
            self._strength.update(self.utterances, observations)
            metrics |= self._strength.metrics()
        return metrics

    def strengths(self, base: float) -> Floats:
        """Return the augmentation strength of each domain (domain,), at most `base`."""
        return self._strength.strengths(base) if self._strength else super().strengths(base)

    def inherit(self, state: dict[str, Any]) -> None:
        """Augment with the full strength from the start, because another run has trained the network."""
        if self._strength:
            self._strength.skip()

    def state_dict(self) -> dict[str, Any]:
        """Return the position in each domain's pass, and the share of the strength."""
        position = {
            "passes": list(self._passes),
            "taken": list(self._taken),
            "returned": np.concatenate(self._returned),
        }
        shares = self._strength.state_dict() if self._strength else {}
        return {"fingerprint": self.utterances.fingerprint, **position, "strength_shares": shares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the passes; with a different manifest, restart them."""
        if self._strength:
            self._strength.load_state_dict(state.get("strength_shares", {}))
        if state.get("fingerprint") == self.utterances.fingerprint:
            self._passes, self._taken = list(state["passes"]), list(state["taken"])
            self.put_back(state["returned"])

    def _next(self, domain: int, count: int) -> Rows:
        parts = [self._returned[domain][:count]]
        self._returned[domain] = self._returned[domain][count:]
        count -= len(parts[0])
        rows = self.utterances.rows_by_domain[domain]
        while count > 0:
            order = np.random.default_rng((self.seed, domain, self._passes[domain])).permutation(len(rows))
            start = self._taken[domain]
            parts.append(rows[order[start : start + count]])
            count -= len(parts[-1])
            self._taken[domain] += len(parts[-1])
            if self._taken[domain] == len(rows):
                self._passes[domain], self._taken[domain] = self._passes[domain] + 1, 0
        return np.concatenate(parts)
