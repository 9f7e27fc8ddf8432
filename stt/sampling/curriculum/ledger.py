"""The ledger: how hard each training utterance is for the current model, estimated from observations.

The model improves, so an old CER is too high. Each CER is stored divided by its domain's cumulative
drift at that time; the current estimate is that value times the current drift. Drift is learned
from utterances that are observed again: the ratio of observed to estimated CER.
Arrays, not objects: 16.5 million utterances take about 270 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats, Rows

NEWEST_CER_WEIGHT = 0.5  # of the newest observation in an utterance's running mean, from the second on
NEWEST_SCORE_WEIGHT = 0.25  # the same for label-error scores, which are only reliable as a mean of several
PRIOR_WEIGHT = 0.5  # of the domain's mean, in observations: a single one of a few words is coarse and gets 2/3
DRIFT_DAMPING = 0.5  # exponent of an update's drift, which is noisy
MEAN_UPDATE_RATE = 0.3  # weight of the newest update in a domain's mean


@dataclass
class Ledger:
    """What is known of each utterance, by manifest row, and of each domain.

    Attributes:
        domain: domain index of each utterance.
        prior: relative difficulty before the first observation, mean 1 in every domain.
        normalized_cer: running mean of observed CER over drift; NaN without observations.
        count: number of observations.
        label_score: running mean of the label-error scores (0: the label fits, 1: no better than a random label).
        label_observations: number of label-error scores.
        deficit: how many more times each utterance should have been sampled by now (deficit round-robin).
        drift: cumulative drift of each domain.
        mean: current CER of each domain's average utterance; initially 1.
    """

    domain: npt.NDArray[np.uint8]
    prior: npt.NDArray[np.float16]
    normalized_cer: Floats
    count: npt.NDArray[np.uint16]
    label_score: npt.NDArray[np.float16]
    label_observations: npt.NDArray[np.uint8]
    deficit: Floats
    drift: npt.NDArray[np.float64] = field(repr=False)
    mean: npt.NDArray[np.float64] = field(repr=False)

    @classmethod
    def new(cls, domain: npt.NDArray[np.int32], num_domains: int, prior: Floats | None = None, seed: int = 0) -> Ledger:
        """Start without observations.

        Args:
            domain: domain index of each utterance, 0 to `num_domains` - 1.
            num_domains: number of domains, at most 255.
            prior: prior difficulty, such as the manifest's `cer`, on any scale from 0 up; NaN where unknown.
            seed: seed of the initial deficits, which determine the order of the first pass.

        Raises:
            ValueError: there are more than 255 domains.
        """
        if num_domains > 255:
            raise ValueError(f"at most 255 domains are supported, not {num_domains}")
        size = len(domain)
        ledger = cls(
            domain.astype(np.uint8),
            np.ones(size, np.float16),
            np.full(size, np.nan, np.float32),
            np.zeros(size, np.uint16),
            np.zeros(size, np.float16),
            np.zeros(size, np.uint8),
            np.random.default_rng(seed).random(size, dtype=np.float32),
            np.ones(num_domains),
            np.ones(num_domains),
        )
        if prior is not None:
            for i in range(num_domains):
                rows = np.flatnonzero((ledger.domain == i) & np.isfinite(prior))
                if len(rows) and prior[rows].mean() > 0:
                    ledger.prior[rows] = np.clip(prior[rows] / prior[rows].mean(), 0.2, 5)
        return ledger

    def estimate(self, rows: Rows, domain: int) -> Floats:
        """Return the CER (row,) currently expected of rows of one domain.

        Observations are shrunk towards the domain's mean, the more the fewer there are; unseen utterances are
        estimated as the domain's mean times their prior.
        """
        trust = self.count[rows] / (self.count[rows] + np.float32(PRIOR_WEIGHT))
        unseen = np.float32(self.mean[domain]) * self.prior[rows].astype(np.float32)
        seen = np.nan_to_num(self.normalized_cer[rows]) * np.float32(self.drift[domain])
        return np.asarray(np.clip(trust * seen + (1 - trust) * unseen, 0, 1), dtype=np.float32)

    def observe(self, rows: Rows, cers: Floats, scores: Floats, weights: Floats, domain: int) -> None:
        """Record observations of one domain.

        Args:
            rows: utterances, each once.
            cers: observed CERs; clipped to 1.
            scores: label-error scores; NaN where unknown.
            weights: importance weights: inversely proportional to how often an utterance is sampled.
            domain: index of the domain.
        """
        cers = np.clip(cers, 0, 1).astype(np.float32)
        seen_before = self.count[rows] > 0
        expected = float(np.sum(self.normalized_cer[rows[seen_before]])) * self.drift[domain]
        if expected > 0:
            ratio = np.clip(float(cers[seen_before].sum()) / expected, 0.25, 2.0)
            self.drift[domain] = max(self.drift[domain] * ratio**DRIFT_DAMPING, 1e-4)
        if weights.any():
            newest = float(np.average(cers, weights=weights))
            first = not self.count[rows].any() and self.mean[domain] == 1
            self.mean[domain] += (1.0 if first else MEAN_UPDATE_RATE) * (newest - self.mean[domain])
        weight = np.where(seen_before, np.float32(NEWEST_CER_WEIGHT), np.float32(1))
        normalized_cer = cers / np.float32(self.drift[domain])
        self.normalized_cer[rows] = weight * normalized_cer + (1 - weight) * np.nan_to_num(self.normalized_cer[rows])
        scored = np.isfinite(scores)
        scored_rows, observations = rows[scored], self.label_observations[rows[scored]].astype(np.int64) + 1
        weight = np.maximum(1 / observations, NEWEST_SCORE_WEIGHT).astype(np.float32)
        self.label_score[scored_rows] = weight * scores[scored] + (1 - weight) * self.label_score[scored_rows]
        self.label_observations[scored_rows] = np.minimum(observations, np.iinfo(np.uint8).max)
        self.count[rows] = np.minimum(self.count[rows].astype(np.int64) + 1, np.iinfo(np.uint16).max)

    def carry_over(self, old: Ledger, old_rows: Rows, old_domains: list[int]) -> None:
        """Copy the entries of another ledger.

        Args:
            old: the other ledger.
            old_rows: row of each utterance in the other ledger, -1 if missing.
            old_domains: index of each domain in the other ledger, -1 if missing.
        """
        known = old_rows >= 0
        for name in ("normalized_cer", "count", "label_score", "label_observations", "deficit"):
            getattr(self, name)[known] = getattr(old, name)[old_rows[known]]
        for domain, old_domain in enumerate(old_domains):
            if old_domain >= 0:
                self.drift[domain], self.mean[domain] = old.drift[old_domain], old.mean[old_domain]

    def forget_labels(self, rows: Rows) -> None:
        """Reset the label-error scores of corrected texts; the difficulty of the audio is kept."""
        self.label_score[rows], self.label_observations[rows] = 0, 0

    def state_dict(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return all arrays by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, npt.ArrayLike]) -> Ledger:
        """Restore a ledger from its `state_dict`, given as arrays or as tensors of a checkpoint."""
        return cls(**{name: np.array(value) for name, value in state.items()})

    @property
    def nbytes(self) -> int:
        """Memory of all arrays, bytes."""
        return sum(int(getattr(self, item.name).nbytes) for item in fields(self))
