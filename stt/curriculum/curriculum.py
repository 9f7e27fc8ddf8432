"""The curriculum: each round draws from every domain what keeps its CER at the target.

Source: the article's Idea 6. A round's utterances of a domain are a uniform share, which shows how
the whole domain is doing, and a tilted share without replacement; suspects come in for audit only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.curriculum.controller import Controller
from stt.curriculum.draw import Rows
from stt.curriculum.ledger import Floats, Ledger
from stt.curriculum.suspects import LEAST_LEVEL, LEAST_LOOKS, find_suspects
from stt.curriculum.tilt import draw, effective_share, histogram, solve_beta, tilted_mean

UNIFORM_SHARE = 0.2  # of a round
AUDIT_SHARE = 0.01  # of a round: suspects, so that a wrong suspicion is taken back
QUESTION_SHARE = 0.05  # of a round, at most: utterances with a high CER that were not looked at often enough to judge


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

    def close_round(self, draws: list[Draw], cers: list[Floats]) -> None:
        """Enter what was observed of each domain's draw, in the order of its rows; NaN where nothing was."""
        for domain, (drawn, observed) in enumerate(zip(draws, cers, strict=True)):
            seen = np.isfinite(observed)
            if not seen.any():
                continue
            rows, values, uniform = drawn.rows[seen], observed[seen], drawn.uniform[seen]
            mine = ~self.suspects[rows]
            self.ledger.observe(rows, values, uniform & mine, domain)
            if mine.any():
                mean = float(np.clip(values[mine], 0, 1).mean())
                self.controllers[domain].close_round(mean, drawn.easiest, drawn.hardest)
            of_domain = self.rows_by_domain[domain]
            self.suspects[of_domain] = find_suspects(self.ledger, domain)[of_domain]

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later round depends on."""
        return {
            "ledger": self.ledger.state_dict(),
            "controllers": [asdict(controller) for controller in self.controllers],
            "suspects": self.suspects,
            "seed": self.seed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.ledger = Ledger.from_state_dict(state["ledger"])
        self.controllers = [Controller(**controller) for controller in state["controllers"]]
        self.suspects = np.array(state["suspects"])
        self.seed = state["seed"]

    def _questioned(self, rows: Rows) -> Rows:
        """Places in `rows` of utterances that look mislabelled but cannot be judged yet."""
        looks = self.ledger.looks[rows]
        return np.flatnonzero((looks > 0) & (looks < LEAST_LOOKS) & (self.ledger.level[rows] > LEAST_LEVEL))

    def _draw(self, domain: int, count: int, round_index: int) -> Draw:
        rng = np.random.default_rng([self.seed, round_index, domain])
        every = self.rows_by_domain[domain]
        suspected = self.suspects[every]
        trusted = every[~suspected] if suspected.any() else every
        audited = every[suspected]
        audit = min(len(audited), round(AUDIT_SHARE * count))
        count = min(count - audit, len(trusted))
        uniform = round(UNIFORM_SHARE * count)

        questioned = self._questioned(trusted)
        question = min(len(questioned), round(QUESTION_SHARE * count))
        count -= question

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
        asked = rng.permutation(questioned[left[questioned]])[:question]
        left[asked] = False
        rest = np.flatnonzero(left)
        tilted = rest[draw(cers[rest], beta, count - uniform, rng)]
        audits = rng.choice(audited, audit, replace=False)
        rows = np.concatenate([trusted[first], trusted[tilted], trusted[asked], audits])
        return Draw(
            rows.astype(np.int64),
            np.arange(len(rows)) < uniform,
            beta,
            effective_share(binned, beta),
            easiest,
            hardest,
        )
