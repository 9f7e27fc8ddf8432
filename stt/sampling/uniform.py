"""Uniform sampling: every utterance of a domain once in each pass over the domain."""

from __future__ import annotations

from typing import Any

import numpy as np

from stt.sampling.base import Sample, Sampler, Utterances, observed_cers
from stt.sampling.observations import Observations, Rows


class UniformSampler(Sampler):
    """Every utterance of a domain equally often: pass after pass, each shuffled by itself."""

    def start(self, utterances: Utterances, seed: int) -> None:
        """Begin with the first pass over each domain."""
        self.utterances = utterances
        self.seed = seed
        self._passes = [0] * len(utterances.domains)  # finished ones
        self._taken = [0] * len(utterances.domains)  # of the pass that is open
        self._back: list[Rows] = [np.zeros(0, np.int64)] * len(utterances.domains)

    def plan(self, counts: list[int], window: int) -> Sample:
        """Take the next rows of each domain's pass, and of the pass after it where this one ends."""
        rows = np.concatenate([self._next(domain, count) for domain, count in enumerate(counts)])
        return Sample(rows, np.ones(len(rows), np.float32))

    def put_back(self, rows: Rows) -> None:
        """Keep rows for the next window."""
        for domain, back in enumerate(self._back):
            self._back[domain] = np.concatenate([back, rows[self.utterances.domain[rows] == domain]])

    def update(self, observed: Observations) -> dict[str, float]:
        """Give the CER of what was trained on; nothing is learned from it."""
        return observed_cers(self.utterances, observed)

    def state_dict(self) -> dict[str, Any]:
        """Where each domain's pass is."""
        place = {"passes": list(self._passes), "taken": list(self._taken)}
        return {"fingerprint": self.utterances.fingerprint, **place, "back": np.concatenate(self._back)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on in the same passes; over another manifest they begin anew."""
        if state.get("fingerprint") == self.utterances.fingerprint:
            self._passes, self._taken = list(state["passes"]), list(state["taken"])
            self.put_back(state["back"])

    def _next(self, domain: int, count: int) -> Rows:
        parts = [self._back[domain][:count]]
        self._back[domain] = self._back[domain][count:]
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
