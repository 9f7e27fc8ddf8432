"""A simulated learner, to try the curriculum in seconds: its errors fall with the skill it gains from what it is fed.

It holds no evidence about real training; it shows what the law does, and tests hold the law against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stt.sampling.curriculum.control import Controller, Curriculum
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.observations import Observations, Rows, merge

CHARACTERS = 30  # of an utterance; observed CERs are as coarse as that makes them
RANDOM_LOSS = 5.0  # per token, of a label that was never spoken
EASE = 3.0  # how much harder the strongest augmentation makes an utterance

PerWindow = npt.NDArray[np.float64]  # (window, domain)


class SimulatedLearner:
    """Domains of rising difficulty; some labels are wrong, and no skill helps against those."""

    def __init__(self, size: int, difficulties: Sequence[float], wrong: float = 0.0, seed: int = 0) -> None:
        """Make up a corpus.

        Args:
            size: utterances of each domain.
            difficulties: of the domains; an utterance's own varies around it by a factor of two.
            wrong: share of wrong labels.
            seed: decides on everything.
        """
        self.rng = np.random.default_rng(seed)
        self.domain = np.repeat(np.arange(len(difficulties), dtype=np.int32), size)
        spread = np.exp(0.7 * self.rng.standard_normal(len(self.domain)))
        self.difficulty = np.array(difficulties)[self.domain] * spread
        self.wrong = self.rng.random(len(self.domain)) < wrong
        self.skill = np.full(len(difficulties), 0.3)

    def observe(self, rows: Rows, strength: float = 0.0) -> Observations:
        """Observe utterances under an augmentation of this strength, without learning."""
        error = 1 - np.exp(-self.difficulty[rows] * (1 + EASE * strength) / self.skill[self.domain[rows]])
        expected = np.where(self.wrong[rows], 0.85, error)
        cers = self.rng.binomial(CHARACTERS, expected) / CHARACTERS
        noise = np.exp(0.25 * self.rng.standard_normal((2, len(rows))))
        # Losses are further apart than CERs, as they are in training: an error costs more the less sense it makes.
        losses = np.where(self.wrong[rows], 0.9, 0.7 * error) * RANDOM_LOSS * noise[0]
        return Observations(
            rows, np.stack([cers, losses, RANDOM_LOSS * noise[1], np.ones(len(rows))], axis=1).astype(np.float32)
        )

    def learn(self, rows: Rows, rate: float = 0.08) -> None:
        """Gain skill: most from utterances that are neither known nor hopeless, some for other domains too."""
        cers = 1 - np.exp(-self.difficulty[rows] / self.skill[self.domain[rows]])
        useful = np.where(self.wrong[rows], -0.05, cers * (1 - cers) * 4)
        gains = np.bincount(self.domain[rows], weights=useful, minlength=len(self.skill)) / len(rows)
        self.skill *= 1 + rate * (len(self.skill) * 0.7 * gains + 0.3 * gains.sum())


@dataclass(frozen=True)
class Simulation:
    """What came of it; arrays are (window, domain)."""

    curriculum: Curriculum
    observed: PerWindow  # CER of what was drawn
    effective: PerWindow  # effective number of utterances, as a share of the domain
    strength: PerWindow  # of the augmentation
    wrong: PerWindow  # share of wrong labels in what was drawn


def simulate(
    learner: SimulatedLearner, windows: int, share: float, target: float = 0.1, strongest: float = 0.0, seed: int = 0
) -> Simulation:
    """Run the curriculum.

    Args:
        learner: whom to teach.
        windows: how many.
        share: of each domain that a window takes.
        target: CER to hold.
        strongest: bound of the augmentation, the second lever; 0 takes it away.
        seed: of the draws.
    """
    domains = len(learner.skill)
    rows = [np.flatnonzero(learner.domain == d) for d in range(domains)]
    controllers = [Controller.new(target, strongest=strongest) for _ in range(domains)]
    curriculum = Curriculum(Ledger.new(learner.domain, domains), controllers, rows, seed)
    log = np.zeros((4, windows, domains))
    for i in range(windows):
        drawn = [curriculum.draw(d, round(share * len(r)), i) for d, r in enumerate(rows)]
        parts = []
        for d, (taken, weights) in enumerate(drawn):
            strength = curriculum.controllers[d].strength
            parts.append(learner.observe(taken, strength).weighted(weights))
            wrong = float(learner.wrong[taken].mean())
            log[:, i, d] = float(parts[-1].cers.mean()), curriculum.bounds[d].effective / len(rows[d]), strength, wrong
        curriculum.update(merge(parts))
        learner.learn(np.concatenate([taken for taken, _ in drawn]))
    return Simulation(curriculum, *log)
