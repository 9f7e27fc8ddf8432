import numpy as np
import pytest

from stt.curriculum.controller import Controller
from stt.curriculum.curriculum import Curriculum
from stt.curriculum.ledger import Ledger
from stt.curriculum.observed import Observed
from stt.curriculum.simulation import SimulatedLearner, simulate

DIFFICULTIES = [0.3, 0.6, 1.2]


@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.25])
def test_a_simulated_learner_is_held_at_the_target_and_wrong_labels_are_found(wrong: float) -> None:
    learner = SimulatedLearner(4000, DIFFICULTIES, wrong)
    simulation = simulate(learner, rounds=160, share=0.2, strongest=1.0)
    for domain in range(3):
        observed = simulation.observed[:, domain]
        reached = np.flatnonzero(observed <= 0.10)
        assert len(reached)
        rest = observed[reached[0] :]
        assert ((rest >= 0.07) & (rest <= 0.13)).mean() >= 0.8
    assert simulation.effective.min() >= 0.1
    suspects = simulation.curriculum.suspects
    if wrong:
        right = (suspects & learner.wrong).sum()
        assert right / suspects.sum() >= 0.8
        assert right / learner.wrong.sum() >= 0.8
        assert simulation.wrong[-40:].mean() < (0.02 if wrong == 0.05 else 0.05)
    else:
        assert suspects.mean() <= 0.01


def test_without_a_second_lever_the_cer_falls_below_the_target_and_with_it_it_does_not() -> None:
    last = {}
    for strongest in (0.0, 1.0):
        simulation = simulate(SimulatedLearner(2000, [0.3]), rounds=120, share=0.2, strongest=strongest)
        last[strongest] = simulation.observed[-20:].mean()
    assert last[0.0] < 0.08
    assert last[1.0] == pytest.approx(0.1, abs=0.02)


def test_a_restored_curriculum_draws_the_same() -> None:
    learner = SimulatedLearner(500, DIFFICULTIES)
    curriculum = simulate(learner, rounds=10, share=0.2).curriculum
    state = curriculum.state_dict()
    empty = Curriculum(
        Ledger.new(learner.domain, 3), [Controller.new(0.1) for _ in range(3)], curriculum.rows_by_domain, seed=9
    )
    empty.load_state_dict(state)
    for ours, theirs in zip(curriculum.draw_round([50, 50, 50], 10), empty.draw_round([50, 50, 50], 10), strict=True):
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        assert ours.beta == theirs.beta


@pytest.mark.parametrize("size", [1, 2, 30])
def test_a_domain_smaller_than_a_round_gives_all_that_is_trusted(size: int) -> None:
    learner = SimulatedLearner(size, [0.5])
    simulation = simulate(learner, rounds=5, share=1.0)
    drawn = simulation.curriculum.draw_round([100], 6)[0].rows.tolist()
    assert set(drawn) >= set(np.flatnonzero(~simulation.curriculum.suspects).tolist())
    assert len(drawn) == len(set(drawn))
    assert np.isfinite(simulation.observed).all()


def test_a_round_without_observations_changes_nothing() -> None:
    learner = SimulatedLearner(100, [0.5])
    curriculum = simulate(learner, rounds=3, share=0.2).curriculum
    before = curriculum.controllers[0].set_point
    draws = curriculum.draw_round([20], 3)
    curriculum.close_round(draws, Observed.nothing())
    assert curriculum.controllers[0].set_point == before
