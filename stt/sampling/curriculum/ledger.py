"""The ledger: how hard each training utterance is for the model of today, as far as anyone has looked.

The model improves, so an old observation is too high. Each is stored divided by its domain's
cumulative drift at that time; the estimate of today is that quotient times today's drift. Drift is
learned from utterances that come again: what was observed over what had been estimated.
Arrays, not objects: 16.5 million utterances take about 270 MB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats, Rows

NEWEST = 0.5  # share of the newest observation in the running mean of an utterance, once there are two
NEWEST_LABEL_SCORE = 0.25  # the same for scores, which matter only as a mean of several observations
TRUST = 0.5  # a single observation of a few words is coarse: it weighs like two thirds, the domain's mean like one
DAMPING = 0.5  # exponent of an update's drift, whose observations are noisy
MEAN_RATE = 0.3  # share of the newest update in a domain's mean


@dataclass
class Ledger:
    """What is known of each utterance, by manifest row, and of each domain.

    Attributes:
        domain: place of each utterance's domain.
        prior: relative difficulty before the first look, mean 1 in every domain.
        quotient: running mean of observed CER over drift; NaN where nothing was observed.
        count: number of observations.
        label_score: running mean of the label-error scores (0: the label fits, 1: no better than a random one).
        label_observations: number of those.
        deficit: how many more times each utterance should have been sampled by now (deficit round-robin).
        drift: cumulative drift of each domain.
        mean: CER of each domain's average utterance today; 1 at first.
    """

    domain: npt.NDArray[np.uint8]
    prior: npt.NDArray[np.float16]
    quotient: Floats
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
            domain: place of each utterance's domain, 0 to `num_domains` - 1.
            num_domains: number of domains, 255 at most.
            prior: quality known beforehand, such as the manifest's `cer`, on any scale from 0 up; NaN where unknown.
            seed: of the initial deficits, which decide the order of the first pass.

        Raises:
            ValueError: there are more than 255 domains.
        """
        if num_domains > 255:
            raise ValueError(f"255 domains at most, not {num_domains}")
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
        """CER (row,) expected today of rows of one domain.

        An observation is drawn towards the domain's mean, the more the fewer there are; what was
        never seen counts as the domain's mean times its prior, not as hopeless.
        """
        trust = self.count[rows] / (self.count[rows] + np.float32(TRUST))
        unseen = np.float32(self.mean[domain]) * self.prior[rows].astype(np.float32)
        seen = np.nan_to_num(self.quotient[rows]) * np.float32(self.drift[domain])
        return np.asarray(np.clip(trust * seen + (1 - trust) * unseen, 0, 1), dtype=np.float32)

    def observe(self, rows: Rows, cers: Floats, scores: Floats, weights: Floats, domain: int) -> None:
        """Enter observations of one domain.

        Args:
            rows: utterances, each once.
            cers: observed CER; above 1 counts as 1.
            scores: of their labels; NaN where nothing can be said.
            weights: how much of the domain each stands for: the rarer it is drawn, the more.
            domain: the domain.
        """
        cers = np.clip(cers, 0, 1).astype(np.float32)
        again = self.count[rows] > 0
        expected = float(np.sum(self.quotient[rows[again]])) * self.drift[domain]
        if expected > 0:
            ratio = np.clip(float(cers[again].sum()) / expected, 0.25, 2.0)
            self.drift[domain] = max(self.drift[domain] * ratio**DAMPING, 1e-4)
        if weights.any():
            newest = float(np.average(cers, weights=weights))
            first = not self.count[rows].any() and self.mean[domain] == 1
            self.mean[domain] += (1.0 if first else MEAN_RATE) * (newest - self.mean[domain])
        share = np.where(again, np.float32(NEWEST), np.float32(1))
        quotient = cers / np.float32(self.drift[domain])
        self.quotient[rows] = share * quotient + (1 - share) * np.nan_to_num(self.quotient[rows])
        judged = np.isfinite(scores)
        asked, observations = rows[judged], self.label_observations[rows[judged]].astype(np.int64) + 1
        share = np.maximum(1 / observations, NEWEST_LABEL_SCORE).astype(np.float32)
        self.label_score[asked] = share * scores[judged] + (1 - share) * self.label_score[asked]
        self.label_observations[asked] = np.minimum(observations, np.iinfo(np.uint8).max)
        self.count[rows] = np.minimum(self.count[rows].astype(np.int64) + 1, np.iinfo(np.uint16).max)

    def carry_over(self, old: Ledger, places: Rows, domains: list[int]) -> None:
        """Take over what another ledger knows.

        Args:
            old: the other ledger.
            places: place there of each utterance, -1 for one that it does not have.
            domains: place there of each domain, -1 for one that it does not have.
        """
        known = places >= 0
        for name in ("quotient", "count", "label_score", "label_observations", "deficit"):
            getattr(self, name)[known] = getattr(old, name)[places[known]]
        for domain, place in enumerate(domains):
            if place >= 0:
                self.drift[domain], self.mean[domain] = old.drift[place], old.mean[place]

    def forget_labels(self, rows: Rows) -> None:
        """Start the scores of some labels anew, because the texts were mended; how hard the audio is stays known."""
        self.label_score[rows], self.label_observations[rows] = 0, 0

    def state_dict(self) -> dict[str, npt.NDArray[np.generic]]:
        """All arrays by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, npt.ArrayLike]) -> Ledger:
        """Make a ledger of what `state_dict` gave, as arrays or as the tensors of a checkpoint."""
        return cls(**{name: np.array(value) for name, value in state.items()})

    @property
    def nbytes(self) -> int:
        """Memory of all arrays, bytes."""
        return sum(int(getattr(self, item.name).nbytes) for item in fields(self))
