"""The curriculum: each round draws from every domain what keeps its CER at the target.

Source: the article's Idea 6. A round's utterances of a domain are those whose turn it is: turns come
the more often, the more the tilt favours an utterance. Suspects come in for audit only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stt.curriculum.controller import Controller
from stt.curriculum.draw import Rows
from stt.curriculum.ledger import Floats, Ledger
from stt.curriculum.observed import Observed
from stt.curriculum.suspects import could_be_cleared, doubts, find_suspects
from stt.curriculum.tilt import draw, effective_share, frequencies, histogram, solve_beta, tilted_mean

AUDIT_SHARE = 0.005  # of a round: any suspects
APPEAL_SHARE = 0.02  # of a round, at most: suspects whom one look that goes well would clear
SURE = 3  # looks at a label after which a suspicion can only wait for the audit
TOLERANCE = 1e-6  # of a mean CER


@dataclass(frozen=True)
class Draw:
    """A round's utterances of one domain, and how they were found."""

    rows: Rows
    weights: Floats  # how much of the domain each of them stands for
    turns: Floats  # of all utterances of the domain, after this draw
    beta: float
    effective: float  # effective number of utterances, 1 / sum p^2
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
            rows, cers, weights = drawn.rows[seen], found.cers[seen], drawn.weights[seen]
            trusted = ~self.suspects[rows]
            doubt = doubts(found.losses, found.random_losses)[seen]
            self.ledger.observe(rows, cers, doubt, weights * trusted, domain)
            mean = float(np.clip(cers, 0, 1).mean())
            self.controllers[domain].close_round(mean, drawn.easiest, drawn.hardest)
            of_domain = self.rows_by_domain[domain]
            self.ledger.turn[of_domain] = drawn.turns
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

        cers = self.ledger.estimate(trusted, domain)
        binned = histogram(cers)
        wanted = self.controllers[domain].set_point
        beta = solve_beta(binned, wanted)
        mean = tilted_mean(binned, beta)
        often = frequencies(cers, binned, beta)
        turns = self.ledger.turn[trusted] + often * np.float32(count / len(trusted))
        chosen = draw(turns, count, rng)
        weights = np.concatenate([1 / often[chosen], np.zeros(len(audits))])
        turns[chosen] -= 1
        all_turns = self.ledger.turn[every]
        all_turns[~suspected] = turns
        return Draw(
            np.concatenate([trusted[chosen], audits]),
            weights.astype(np.float32),
            all_turns,
            beta,
            effective_share(binned, beta) * len(trusted),
            easiest=beta > 0 and mean > wanted + TOLERANCE,
            hardest=beta < 0 and mean < wanted - TOLERANCE,
        )

    def _audits(self, suspects: Rows, count: int, rng: np.random.Generator) -> Rows:
        """Suspects to look at again in a round of `count`, so that a wrong suspicion is taken back.

        Most wrong suspicions rest on a single look at a short utterance, so those come first.
        """
        audits = _some(suspects, round(AUDIT_SHARE * count), rng)
        others = np.setdiff1d(suspects, audits)
        doubt, looks = self.ledger.doubt[others], self.ledger.looks[others]
        open_cases = np.flatnonzero((looks < SURE) & could_be_cleared(doubt, looks))
        order = np.lexsort((doubt[open_cases], looks[open_cases]))[: round(APPEAL_SHARE * count)]
        return np.concatenate([audits, others[open_cases[order]]])


def _some(rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """Draw `most` of these rows, or all if there are no more."""
    return rows if len(rows) <= most else rng.choice(rows, most, replace=False, shuffle=False)
