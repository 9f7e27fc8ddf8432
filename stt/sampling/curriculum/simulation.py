"""A simulated learner, to try the curriculum in seconds: its error rate falls with the skill gained in training.

It is no evidence about real training; it illustrates the control law, and the tests verify the law with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stt.sampling.curriculum.control import Controller, Curriculum
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.observations import Observations, Rows, merge

CHARACTERS = 30  # per utterance; sets the resolution of observed CERs
RANDOM_LOSS = 5.0  # per token, of a text that was never spoken
AUGMENTATION_PENALTY = 3.0  # relative increase of difficulty at strength 1

PerWindow = npt.NDArray[np.float64]  # (window, domain)


class SimulatedLearner:
    """Domains of increasing difficulty; some labels are wrong, and no skill helps with those."""

    def __init__(self, size: int, difficulties: Sequence[float], label_error_rate: float = 0.0, seed: int = 0) -> None:
        """Create a synthetic corpus.

        Args:
            size: utterances per domain.
            difficulties: difficulty of each domain; its utterances vary around it by a factor of two.
            label_error_rate: share of label errors.
            seed: seed of all random numbers.
        """
        self.rng = np.random.default_rng(seed)
        self.domain = np.repeat(np.arange(len(difficulties), dtype=np.int32), size)
        spread = np.exp(0.7 * self.rng.standard_normal(len(self.domain)))
        self.difficulty = np.array(difficulties)[self.domain] * spread
        self.is_label_error = self.rng.random(len(self.domain)) < label_error_rate
        self.skill = np.full(len(difficulties), 0.3)

    def observe(self, rows: Rows, strength: float = 0.0) -> Observations:
        """Observe utterances at an augmentation strength, without learning."""
        error = 1 - np.exp(
            -self.difficulty[rows] * (1 + AUGMENTATION_PENALTY * strength) / self.skill[self.domain[rows]]
        )
        expected = np.where(self.is_label_error[rows], 0.85, error)
        cers = self.rng.binomial(CHARACTERS, expected) / CHARACTERS
        noise = np.exp(0.25 * self.rng.standard_normal((2, len(rows))))
        # As in training, losses are further apart than CERs: the less plausible a text, the higher its loss.
        losses = np.where(self.is_label_error[rows], 0.9, 0.7 * error) * RANDOM_LOSS * noise[0]
        return Observations(
            rows, np.stack([cers, losses, RANDOM_LOSS * noise[1], np.ones(len(rows))], axis=1).astype(np.float32)
        )

    def learn(self, rows: Rows, rate: float = 0.08) -> None:
        """Gain skill: most from utterances of medium difficulty, some of it for other domains too."""
        cers = 1 - np.exp(-self.difficulty[rows] / self.skill[self.domain[rows]])
        useful = np.where(self.is_label_error[rows], -0.05, cers * (1 - cers) * 4)
        gains = np.bincount(self.domain[rows], weights=useful, minlength=len(self.skill)) / len(rows)
        self.skill *= 1 + rate * (len(self.skill) * 0.7 * gains + 0.3 * gains.sum())


@dataclass(frozen=True)
class Simulation:
    """Result of a simulation; arrays are (window, domain)."""

    curriculum: Curriculum
    observed_cer: PerWindow  # CER of the sampled utterances
    effective_share: PerWindow  # effective sample size, as a share of the domain
    strength: PerWindow  # augmentation strength
    label_error_share: PerWindow  # share of label errors among the sampled utterances


def simulate(
    learner: SimulatedLearner, windows: int, share: float, target: float = 0.1, max_strength: float = 0.0, seed: int = 0
) -> Simulation:
    """Simulate training with the curriculum.

    Args:
        learner: the learner.
        windows: number of windows.
        share: share of each domain in a window.
        target: target CER.
        max_strength: maximum augmentation strength of the secondary control; 0 disables it.
        seed: seed of the sampling.
    """
    domains = len(learner.skill)
    rows = [np.flatnonzero(learner.domain == d) for d in range(domains)]
    controllers = [Controller.new(target, max_strength=max_strength) for _ in range(domains)]
    curriculum = Curriculum(Ledger.new(learner.domain, domains), controllers, rows, seed)
    log = np.zeros((4, windows, domains))
    for i in range(windows):
        samples = [curriculum.sample(d, round(share * len(r)), i) for d, r in enumerate(rows)]
        parts = []
        for d, (sampled, weights) in enumerate(samples):
            strength = curriculum.controllers[d].strength
            parts.append(learner.observe(sampled, strength).with_weights(weights))
            effective_share = curriculum.tilts[d].effective / len(rows[d])
            errors = float(learner.is_label_error[sampled].mean())
            log[:, i, d] = float(parts[-1].cers.mean()), effective_share, strength, errors
        curriculum.update(merge(parts))
        learner.learn(np.concatenate([sampled for sampled, _ in samples]))
    return Simulation(curriculum, *log)
