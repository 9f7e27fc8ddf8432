"""The curriculum: each round draws from every domain what keeps its CER at the target.

Source: the article's Idea 6. A round's utterances of a domain are a uniform share, which shows how
the whole domain is doing, some whose label was never judged, and a tilted share without
replacement; suspects come in for audit only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.curriculum.controller import Controller
from stt.curriculum.draw import Rows
from stt.curriculum.ledger import Ledger
from stt.curriculum.observed import Observed
from stt.curriculum.suspects import doubts, find_suspects
from stt.curriculum.tilt import draw, effective_share, histogram, solve_beta, tilted_mean

UNIFORM_SHARE = 0.2  # of a round
UNJUDGED_SHARE = 0.05  # of a round, at most: utterances whose label was never judged
AUDIT_SHARE = 0.005  # of a round: any suspects
APPEAL_SHARE = 0.01  # of a round, at most: the least doubted suspects among those that were not looked at often
SURE = 3  # looks at a label after which a suspicion can only wait for the audit


@dataclass(frozen=True)
class Draw:
    """A round's utterances of one domain, and how they were found."""

    rows: Rows
    uniform: npt.NDArray[np.bool_]  # which of them stand for the whole domain
    beta: float
    effective: float  # effective number of utterances over those there are to draw from
    easiest: bool
    hardest: bool


class Curriculum:
    """Draws rounds and learns from what was observed; everything follows from its state, the seed and the round."""

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
        self.suspects = np.zeros(len(ledger.domain), dtype=np.bool_)

    def draw_round(self, counts: list[int], round_index: int) -> list[Draw]:
        """Draw `counts[d]` utterances of each domain d, fewer where a domain has not so many."""
        return [self._draw(domain, count, round_index) for domain, count in enumerate(counts)]

    def close_round(self, draws: list[Draw], observed: Observed) -> None:
        """Enter what was observed of a round's draws."""
        for domain, drawn in enumerate(draws):
            found = observed.of(drawn.rows)
            seen = np.isfinite(found.cers)
            if not seen.any():
                continue
            rows, cers, uniform = drawn.rows[seen], found.cers[seen], drawn.uniform[seen]
            trusted = ~self.suspects[rows]
            doubt = doubts(found.losses, found.random_losses)[seen]
            self.ledger.observe(rows, cers, doubt, uniform & trusted, domain)
            if trusted.any():
                mean = float(np.clip(cers[trusted], 0, 1).mean())
                self.controllers[domain].close_round(mean, drawn.easiest, drawn.hardest)
            of_domain = self.rows_by_domain[domain]
            self.suspects[of_domain] = find_suspects(self.ledger.doubt[of_domain], self.ledger.looks[of_domain])

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later round depends on."""
        return {
            "ledger": self.ledger.state_dict(),
            "controllers": [asdict(controller) for controller in self.controllers],
            "suspects": self.suspects,
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
        places = np.arange(len(self.suspects)) if places is None else places
        domains = list(range(len(self.controllers))) if domains is None else domains
        self.ledger.carry_over(old, places, domains)
        self.suspects = np.where(places >= 0, np.asarray(state["suspects"])[places], False)
        for controller, place in zip(self.controllers, domains, strict=True):
            if place >= 0:
                controller.carry_over(Controller(**state["controllers"][place]))
        self.seed = state["seed"]

    def _draw(self, domain: int, count: int, round_index: int) -> Draw:
        rng = np.random.default_rng([self.seed, round_index, domain])
        every = self.rows_by_domain[domain]
        suspected = self.suspects[every]
        trusted = every[~suspected]
        audits = self._audits(every[suspected], count, rng)
        count = min(count - len(audits), len(trusted))
        uniform = round(UNIFORM_SHARE * count)

        cers = self.ledger.estimate(trusted, domain)
        binned = histogram(cers)
        # The uniform part has the mean it has; the tilted part makes up for it.
        mean = tilted_mean(binned, 0.0)
        set_point = self.controllers[domain].set_point
        wanted = (set_point * count - mean * uniform) / max(count - uniform, 1)
        beta = solve_beta(binned, min(max(wanted, 0.0), 1.0))
        tolerance = 1e-6
        easiest = beta > 0 and tilted_mean(binned, beta) > wanted + tolerance
        hardest = beta < 0 and tilted_mean(binned, beta) < wanted - tolerance

        first = rng.choice(len(trusted), uniform, replace=False, shuffle=False)
        left = np.ones(len(trusted), dtype=np.bool_)
        left[first] = False
        looks = self.ledger.looks[trusted]
        unjudged = np.flatnonzero(left & (looks == 0) & looks.any())
        asked = _some(unjudged, round(UNJUDGED_SHARE * count), rng)
        left[asked] = False
        rest = np.flatnonzero(left)
        tilted = rest[draw(cers[rest], beta, count - uniform - len(asked), rng)]
        rows = np.concatenate([trusted[first], trusted[tilted], trusted[asked], audits])
        return Draw(
            rows.astype(np.int64),
            np.arange(len(rows)) < uniform,
            beta,
            effective_share(binned, beta),
            easiest,
            hardest,
        )

    def _audits(self, suspects: Rows, count: int, rng: np.random.Generator) -> Rows:
        """Suspects to look at again in a round of `count`, so that a wrong suspicion is taken back."""
        audits = _some(suspects, round(AUDIT_SHARE * count), rng)
        appeals = np.setdiff1d(suspects[self.ledger.looks[suspects] < SURE], audits)
        appeals = appeals[np.argsort(self.ledger.doubt[appeals], kind="stable")]
        return np.concatenate([audits, appeals[: round(APPEAL_SHARE * count)]])


def _some(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """Draw `most` of these rows, or all if there are no more."""
    return rows if len(rows) <= most else rng.choice(rows, most, replace=False, shuffle=False)
