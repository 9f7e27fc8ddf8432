"""A simulated learner: its error on an utterance falls with the skill that it gains from what it is fed."""

from __future__ import annotations

import numpy as np

from stt.curriculum.controller import Controller
from stt.curriculum.curriculum import Curriculum
from stt.curriculum.ledger import Ledger
from stt.curriculum.observed import Observed, merge

CHARACTERS = 30  # of an utterance; observed CERs are as coarse as that makes them
RANDOM_LOSS = 5.0  # per token, of a label that was never spoken


class SimulatedLearner:
    """Domains of rising difficulty; some labels are wrong, and no skill helps against those."""

    def __init__(self, size: int, difficulties: list[float], wrong: float = 0.0, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.domain = np.repeat(np.arange(len(difficulties)), size)
        spread = np.exp(0.7 * self.rng.standard_normal(len(self.domain)))
        self.difficulty = np.array(difficulties)[self.domain] * spread
        self.wrong = self.rng.random(len(self.domain)) < wrong
        self.skill = np.full(len(difficulties), 0.3)

    def observe(self, rows: np.ndarray, ease: float = 0.0) -> Observed:
        """Observe utterances (augmentation makes them harder), without learning."""
        error = 1 - np.exp(-self.difficulty[rows] * (1 + ease) / self.skill[self.domain[rows]])
        expected = np.where(self.wrong[rows], 0.85, error)
        cers = self.rng.binomial(CHARACTERS, expected) / CHARACTERS
        noise = np.exp(0.25 * self.rng.standard_normal((2, len(rows))))
        # Losses are further apart than CERs, as they are in training: an error costs more the less sense it makes.
        losses = np.where(self.wrong[rows], 0.9, 0.7 * error) * RANDOM_LOSS * noise[0]
        return Observed(rows, np.stack([cers, losses, RANDOM_LOSS * noise[1]], axis=1).astype(np.float32))

    def learn(self, rows: np.ndarray, rate: float = 0.08) -> None:
        """Gain skill: most from utterances that are neither known nor hopeless, some for other domains too."""
        cers = 1 - np.exp(-self.difficulty[rows] / self.skill[self.domain[rows]])
        useful = np.where(self.wrong[rows], -0.05, cers * (1 - cers) * 4)
        gains = np.bincount(self.domain[rows], weights=useful, minlength=len(self.skill)) / len(rows)
        self.skill *= 1 + rate * (len(self.skill) * 0.7 * gains + 0.3 * gains.sum())


def simulate(
    learner: SimulatedLearner, rounds: int, share: float, target: float = 0.1, strongest: float = 0.0, seed: int = 0
) -> tuple[Curriculum, dict[str, np.ndarray]]:
    """Run the curriculum; gives it, and observed CER, effective share, strength and wrong share by round and domain."""
    domains = len(learner.skill)
    rows = [np.flatnonzero(learner.domain == d) for d in range(domains)]
    controllers = [Controller.new(target, strongest=strongest) for _ in range(domains)]
    curriculum = Curriculum(Ledger.new(learner.domain, domains), controllers, rows, seed)
    log: dict[str, list[list[float]]] = {"observed": [], "effective": [], "strength": [], "wrong": []}
    for i in range(rounds):
        draws = curriculum.draw_round([round(share * len(r)) for r in rows], i)
        parts = [
            learner.observe(drawn.rows, 3 * controller.strength)
            for drawn, controller in zip(draws, curriculum.controllers, strict=True)
        ]
        log["observed"].append([float(part.cers.mean()) for part in parts])
        log["effective"].append([drawn.effective / len(own) for drawn, own in zip(draws, rows, strict=True)])
        log["strength"].append([controller.strength for controller in curriculum.controllers])
        log["wrong"].append([float(learner.wrong[drawn.rows].mean()) for drawn in draws])
        curriculum.close_round(draws, merge(parts))
        learner.learn(np.concatenate([drawn.rows for drawn in draws]))
    return curriculum, {name: np.array(values) for name, values in log.items()}
