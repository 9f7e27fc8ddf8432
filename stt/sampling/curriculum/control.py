"""The law of the curriculum: each window takes from every domain what keeps its CER at the target.

Source: the article's Idea 6. A window's utterances of a domain are those whose deficit it is: deficits come
the more often, the more the tilt favours an utterance. Suspects come in for audit only.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stt.sampling.curriculum.label_errors import could_be_cleared, find_label_errors, label_error_scores
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.curriculum.tilt import (
    draw,
    effective_share,
    frequencies,
    histogram,
    solve_beta,
    tilted_mean,
)
from stt.sampling.observations import Floats, Observations, Rows
from stt.sampling.shares import is_crowded

RECHECK_SHARE = 0.005  # of a window: any label_errors
PRIORITY_RECHECK_SHARE = 0.02  # of a window, at most: label_errors whom one look that goes well would clear
SETTLED = 3  # observations at a label after which a suspicion can only wait for the audit
TOLERANCE = 1e-6  # of a mean CER


@dataclass(frozen=True)
class Bounds:
    """How the newest window of a domain was taken.

    Attributes:
        beta: the tilt; 0 is uniform.
        effective: effective number of utterances, 1 / sum p^2.
        easiest: easier ones could not be had.
        hardest: harder ones could not be had.
    """

    beta: float = 0.0
    effective: float = 0.0
    easiest: bool = False
    hardest: bool = False


class Curriculum:
    """Draws windows and learns from what was observed; everything follows from its state, the seed and the window."""

    def __init__(self, ledger: Ledger, controllers: list[Controller], rows_by_domain: list[Rows], seed: int) -> None:
        """Set up.

        Args:
            ledger: what is known of the utterances.
            controllers: one for each domain.
            rows_by_domain: rows of each domain that can be trained on.
            seed: decides on all draws.
        """
        self.ledger = ledger
        self.controllers = controllers
        self.rows_by_domain = rows_by_domain
        self.seed = seed
        self.label_errors = np.zeros(len(ledger.domain), dtype=np.bool_)
        self.bounds = [Bounds() for _ in controllers]

    def draw(self, domain: int, count: int, window: int) -> tuple[Rows, Floats]:
        """Take utterances of a domain for a window; gives them, and how much of the domain each stands for.

        From a domain that must give more than a third of its utterances nothing is chosen: it is gone through pass by
        pass, several times if need be.
        """
        rng = np.random.default_rng([self.seed, window, domain])
        every = self.rows_by_domain[domain]
        if not count or not len(every):
            return every[:0], np.zeros(0, np.float32)
        quarantined = self.label_errors[every]
        trusted = every[~quarantined]
        rechecks = self._rechecks(every[quarantined], count, rng)
        count -= len(rechecks)

        crowded = is_crowded(count, len(every))
        cers = self.ledger.estimate(trusted, domain)
        binned = histogram(cers)
        wanted = self.controllers[domain].set_point
        beta = 0.0 if crowded else solve_beta(binned, wanted)
        mean = tilted_mean(binned, beta)
        often = frequencies(cers, binned, beta)
        passes, rest = divmod(count, len(trusted))
        deficits = self.ledger.deficit[trusted] + often * np.float32(count / len(trusted)) - np.float32(passes)
        chosen = draw(deficits, rest, rng)
        deficits[chosen] -= 1
        self.ledger.deficit[trusted] = deficits
        self.bounds[domain] = Bounds(
            beta,
            effective_share(binned, beta) * len(trusted),
            easiest=crowded or (beta > 0 and mean > wanted + TOLERANCE),
            hardest=crowded or (beta < 0 and mean < wanted - TOLERANCE),
        )
        rows = np.concatenate([*[trusted] * passes, trusted[chosen], rechecks])
        weights = np.concatenate([*[1 / often] * passes, 1 / often[chosen], np.zeros(len(rechecks))])
        return rows, weights.astype(np.float32)

    def put_back(self, rows: Rows) -> None:
        """Owe utterances the draw that found no room."""
        np.add.at(self.ledger.deficit, rows, 1)

    def update(self, observed: Observations) -> None:
        """Enter what was observed, each utterance once, and move the controllers."""
        index = self.ledger.domain[observed.rows]
        for domain, controller in enumerate(self.controllers):
            found = observed.chosen((index == domain) & np.isfinite(observed.cers))
            if not len(found.rows):
                continue
            score = label_error_scores(found.losses, found.random_losses)
            self.ledger.observe(found.rows, found.cers, score, found.weights * ~self.label_errors[found.rows], domain)
            bounds = self.bounds[domain]
            controller.update(float(np.clip(found.cers, 0, 1).mean()), bounds.easiest, bounds.hardest)
            of_domain = self.rows_by_domain[domain]
            found_errors = find_label_errors(
                self.ledger.label_score[of_domain], self.ledger.label_observations[of_domain]
            )
            self.label_errors[of_domain] = found_errors

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later window depends on."""
        return {
            "ledger": self.ledger.state_dict(),
            "controllers": [asdict(controller) for controller in self.controllers],
            "bounds": [asdict(bounds) for bounds in self.bounds],
            "label_errors": self.label_errors,
            "seed": self.seed,
        }

    def load_state_dict(
        self, state: dict[str, Any], places: Rows | None = None, domains: list[int] | None = None
    ) -> None:
        """Go on where `state_dict` was taken; the targets stay those that are asked for now.

        Args:
            state: what `state_dict` gave.
            places: place of each utterance in the state, -1 for a new one; None where they are the same.
            domains: place of each domain in the state, -1 for a new one; None where they are the same.
        """
        old = Ledger.from_state_dict(state["ledger"])
        places = np.arange(len(self.label_errors)) if places is None else places
        domains = list(range(len(self.controllers))) if domains is None else domains
        self.ledger.carry_over(old, places, domains)
        self.label_errors = np.where(places >= 0, np.asarray(state["label_errors"])[places], False)
        for domain, place in enumerate(domains):
            if place >= 0:
                self.controllers[domain].carry_over(Controller(**state["controllers"][place]))
                self.bounds[domain] = Bounds(**state["bounds"][place])
        self.seed = state["seed"]

    def forget_labels(self, rows: Rows) -> None:
        """Take the suspicion from utterances whose texts were mended."""
        self.ledger.forget_labels(rows)
        self.label_errors[rows] = False

    def _rechecks(self, label_errors: Rows, count: int, rng: np.random.Generator) -> Rows:
        """Suspects to look at again in a window of `count`, so that a wrong suspicion is taken back.

        Most wrong suspicions rest on a single look at a short utterance, so those come first.
        """
        rechecks = _some(label_errors, round(RECHECK_SHARE * count), rng)
        others = np.setdiff1d(label_errors, rechecks)
        score, observations = self.ledger.label_score[others], self.ledger.label_observations[others]
        reversible = np.flatnonzero((observations < SETTLED) & could_be_cleared(score, observations))
        order = np.lexsort((score[reversible], observations[reversible]))[: round(PRIORITY_RECHECK_SHARE * count)]
        return np.concatenate([rechecks, others[reversible[order]]])


def _some(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """Draw `most` of these rows, or all if there are no more."""
    return rows if len(rows) <= most else rng.choice(rows, most, replace=False, shuffle=False)


GAIN = 0.5  # exponent of the miss of an update
STRENGTH_GAIN = 0.3  # change of the augmentation strength in an update, for a miss by a factor of e
NEAR = 0.15  # relative miss that counts as none


@dataclass
class Controller:
    """The control of one domain.

    Attributes:
        target: CER that is wanted of what is trained on, in 0..1 (both excluded).
        set_point: mean CER that the tilt is asked for; it differs from the target by what the estimates get wrong.
        strength: augmentation strength, 0..1.
        strongest: bound of the strength; 0 where the domain has no second lever.
    """

    target: float
    set_point: float
    strength: float = 0.0
    strongest: float = 1.0

    @classmethod
    def new(cls, target: float, strength: float = 0.0, strongest: float = 1.0) -> Controller:
        """Start with the target as the set-point.

        Raises:
            ValueError: the target is not between 0 and 1.
        """
        if not 0 < target < 1:
            raise ValueError(f"a target CER must lie between 0 and 1, not {target:g}")
        return cls(target, target, strength, strongest)

    def update(self, observed: float, easiest: bool, hardest: bool) -> None:
        """Learn from what was observed since the last update.

        Args:
            observed: mean CER of what was trained on.
            easiest: sampling was at its easiest bound.
            hardest: sampling was at its hardest bound.
        """
        miss = self.target / max(observed, 1e-3)
        # At a bound a further set-point would change nothing now and would have to be unwound later.
        if not (easiest and miss < 1) and not (hardest and miss > 1):
            self.set_point = min(max(self.set_point * miss**GAIN, self.target / 5), 5 * self.target, 0.95)
        if (hardest and miss > 1 + NEAR) or miss < 1 - NEAR:
            self.strength = min(max(self.strength + STRENGTH_GAIN * math.log(miss), 0.0), self.strongest)

    def carry_over(self, old: Controller) -> None:
        """Go on where another one was; its set-point is scaled to this one's target."""
        self.set_point = old.set_point * (self.target / old.target)
        self.strength = min(old.strength, self.strongest)
