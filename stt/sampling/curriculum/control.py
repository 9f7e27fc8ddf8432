"""The control law of the curriculum: each window samples every domain so that its CER stays at the target.

Source: Idea 6 of (Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text"). A window takes the utterances of a
domain with the largest deficits, which grow faster for utterances that the tilt favors. Suspected label errors are in
quarantine and sampled for re-checks only.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stt.sampling.curriculum.label_errors import find_label_errors, is_clearable, label_error_scores
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.curriculum.tilt import (
    effective_share,
    histogram,
    largest_deficits,
    relative_frequencies,
    solve_beta,
    tilted_mean,
)
from stt.sampling.observations import Floats, Observations, Rows
from stt.sampling.shares import exceeds_domain_share

RECHECK_SHARE = 0.005  # of a domain's utterances in a window: random label errors
PRIORITY_RECHECK_SHARE = 0.02  # at most: label errors that one good observation would clear
CONFIRMED_OBSERVATIONS = 3  # of a label, after which it is only re-checked at random
MEAN_TOLERANCE = 1e-6  # of a mean CER


@dataclass(frozen=True)
class DomainTilt:
    """How a domain was sampled in the latest window.

    Attributes:
        beta: the tilt; 0 is uniform.
        effective: effective sample size, 1 / sum p^2.
        at_easiest: no allowed tilt is easy enough, or there is no choice.
        at_hardest: no allowed tilt is hard enough, or there is no choice.
        released: sampling is uniform, and the target no longer kept.
    """

    beta: float = 0.0
    effective: float = 0.0
    at_easiest: bool = False
    at_hardest: bool = False
    released: bool = False


class Curriculum:
    """Samples windows and learns from observations, deterministically by state, seed and window."""

    def __init__(self, ledger: Ledger, controllers: list[Controller], rows_by_domain: list[Rows], seed: int) -> None:
        """Create a curriculum.

        Args:
            ledger: what is known of the utterances.
            controllers: one for each domain.
            rows_by_domain: trainable rows of each domain.
            seed: seed of all sampling.
        """
        self.ledger = ledger
        self.controllers = controllers
        self.rows_by_domain = rows_by_domain
        self.seed = seed
        self.label_errors = np.zeros(len(ledger.domain), dtype=np.bool_)
        self.tilts = [DomainTilt() for _ in controllers]

    def sample(self, domain: int, count: int, window: int, released: bool = False) -> tuple[Rows, Floats]:
        """Sample utterances of a domain for a window; return their rows and importance weights.

        A domain that contributes more than a third of its utterances is sampled uniformly, in passes, several if
        necessary; so is a released one.
        """
        rng = np.random.default_rng([self.seed, window, domain])
        rows = self.rows_by_domain[domain]
        if not count or not len(rows):
            return rows[:0], np.zeros(0, np.float32)
        quarantined = self.label_errors[rows]
        trusted = rows[~quarantined]
        rechecks = self._rechecks(rows[quarantined], count, rng)
        count -= len(rechecks)

        oversampled = exceeds_domain_share(count, len(rows))
        cers = self.ledger.estimate(trusted, domain)
        binned = histogram(cers)
        set_point = self.controllers[domain].set_point
        beta = 0.0 if oversampled or released else solve_beta(binned, set_point)
        mean = tilted_mean(binned, beta)
        frequencies = relative_frequencies(cers, binned, beta)
        passes, remainder = divmod(count, len(trusted))
        deficits = self.ledger.deficit[trusted] + frequencies * np.float32(count / len(trusted)) - np.float32(passes)
        selected = largest_deficits(deficits, remainder, rng)
        deficits[selected] -= 1
        self.ledger.deficit[trusted] = deficits
        self.tilts[domain] = DomainTilt(
            beta,
            effective_share(binned, beta) * len(trusted),
            at_easiest=oversampled or mean > set_point + MEAN_TOLERANCE,
            at_hardest=oversampled or mean < set_point - MEAN_TOLERANCE,
            released=released,
        )
        rows = np.concatenate([*[trusted] * passes, trusted[selected], rechecks])
        weights = np.concatenate([*[1 / frequencies] * passes, 1 / frequencies[selected], np.zeros(len(rechecks))])
        return rows, weights.astype(np.float32)

    def added_strength(self, domain: int) -> float:
        """Return the augmentation strength that the secondary control adds in the latest window, 0..1."""
        return 0.0 if self.tilts[domain].released else self.controllers[domain].strength

    def put_back(self, rows: Rows) -> None:
        """Increase the deficits of sampled utterances that did not fit."""
        np.add.at(self.ledger.deficit, rows, 1)

    def update(self, observations: Observations) -> None:
        """Record observations, each utterance once, and update the controllers."""
        index = self.ledger.domain[observations.rows]
        for domain, controller in enumerate(self.controllers):
            observed = observations.select((index == domain) & np.isfinite(observations.cers))
            if not len(observed.rows):
                continue
            score = label_error_scores(observed, float(self.ledger.mean[domain]))
            weights = observed.weights * ~self.label_errors[observed.rows]
            self.ledger.observe(observed.rows, observed.cers, score, weights, domain)
            tilt = self.tilts[domain]
            if not tilt.released:
                controller.update(float(np.clip(observed.cers, 0, 1).mean()), tilt.at_easiest, tilt.at_hardest)
            self._find_label_errors(self.rows_by_domain[domain])

    def state_dict(self) -> dict[str, Any]:
        """Return everything later windows depend on."""
        return {
            "ledger": self.ledger.state_dict(),
            "controllers": [asdict(controller) for controller in self.controllers],
            "tilts": [asdict(tilt) for tilt in self.tilts],
            "label_errors": self.label_errors,
            "seed": self.seed,
        }

    def load_state_dict(
        self, state: dict[str, Any], old_rows: Rows | None = None, old_domains: list[int] | None = None
    ) -> None:
        """Resume from `state_dict`, keeping the current targets.

        Args:
            state: result of `state_dict`.
            old_rows: row of each utterance in the state, -1 if it is new; None if the rows are the same.
            old_domains: index of each domain in the state, -1 if it is new; None if the domains are the same.
        """
        old = Ledger.from_state_dict(state["ledger"])
        old_rows = np.arange(len(self.label_errors)) if old_rows is None else old_rows
        old_domains = list(range(len(self.controllers))) if old_domains is None else old_domains
        self.ledger.carry_over(old, old_rows, old_domains)
        self.label_errors = np.where(old_rows >= 0, np.asarray(state["label_errors"])[old_rows], False)
        for domain, old_domain in enumerate(old_domains):
            if old_domain >= 0:
                self.controllers[domain].carry_over(Controller(**state["controllers"][old_domain]))
                self.tilts[domain] = DomainTilt(**state["tilts"][old_domain])
        for rows in self.rows_by_domain:  # of fewer rows a smaller share may be in quarantine
            self._find_label_errors(rows)
        self.seed = state["seed"]

    def forget_labels(self, rows: Rows) -> None:
        """Clear the label-error scores of utterances whose texts were corrected."""
        self.ledger.forget_labels(rows)
        self.label_errors[rows] = False

    def _find_label_errors(self, rows: Rows) -> None:
        self.label_errors[rows] = find_label_errors(self.ledger.label_score[rows], self.ledger.label_observations[rows])

    def _rechecks(self, label_errors: Rows, count: int, rng: np.random.Generator) -> Rows:
        """Sample label errors to re-check in a window of `count`, so that false positives are cleared.

        Most false positives rest on a single observation of a short utterance, so those come first.
        """
        rechecks = _random_subset(label_errors, round(RECHECK_SHARE * count), rng)
        others = np.setdiff1d(label_errors, rechecks)
        score, observations = self.ledger.label_score[others], self.ledger.label_observations[others]
        clearable = np.flatnonzero((observations < CONFIRMED_OBSERVATIONS) & is_clearable(score, observations))
        order = np.lexsort((score[clearable], observations[clearable]))[: round(PRIORITY_RECHECK_SHARE * count)]
        return np.concatenate([rechecks, others[clearable[order]]])


def _random_subset(rows: Rows, max_count: int, rng: np.random.Generator) -> Rows:
    """Return `max_count` random rows, or all if there are fewer."""
    return rows if len(rows) <= max_count else rng.choice(rows, max_count, replace=False, shuffle=False)


SET_POINT_GAIN = 0.5  # exponent of the ratio of target to observed CER
STRENGTH_GAIN = 0.3  # change of the augmentation strength per update, for a ratio of e
DEAD_BAND = 0.15  # relative deviation from the target that does not change the strength


@dataclass
class Controller:
    """The controller of one domain.

    Attributes:
        target: target CER of the training batches, between 0 and 1 (exclusive).
        set_point: mean estimated CER that the tilt aims at; differs from the target by the bias of the estimates.
        strength: augmentation strength, 0..1.
        max_strength: upper bound of the strength; 0 disables the secondary control.
    """

    target: float
    set_point: float
    strength: float = 0.0
    max_strength: float = 1.0

    @classmethod
    def new(cls, target: float, strength: float = 0.0, max_strength: float = 1.0) -> Controller:
        """Start with the target as the set-point.

        Raises:
            ValueError: the target is not between 0 and 1.
        """
        if not 0 < target < 1:
            raise ValueError(f"a target CER must lie between 0 and 1, not {target:g}")
        return cls(target, target, strength, max_strength)

    def update(self, observed_cer: float, at_easiest: bool, at_hardest: bool) -> None:
        """Adjust set-point and strength to the observations since the last update.

        Args:
            observed_cer: mean CER of the training batches.
            at_easiest: no allowed tilt was easy enough.
            at_hardest: no allowed tilt was hard enough.
        """
        ratio = self.target / max(observed_cer, 1e-3)
        # Anti-windup: at a bound, moving the set-point has no effect now and would have to be undone later.
        if not (at_easiest and ratio < 1) and not (at_hardest and ratio > 1):
            self.set_point = min(max(self.set_point * ratio**SET_POINT_GAIN, self.target / 5), 5 * self.target, 0.95)
        if (at_hardest and ratio > 1 + DEAD_BAND) or ratio < 1 - DEAD_BAND:
            self.strength = min(max(self.strength + STRENGTH_GAIN * math.log(ratio), 0.0), self.max_strength)

    def carry_over(self, old: Controller) -> None:
        """Continue from another controller, scaling its set-point to this target."""
        self.set_point = old.set_point * (self.target / old.target)
        self.strength = min(old.strength, self.max_strength)
