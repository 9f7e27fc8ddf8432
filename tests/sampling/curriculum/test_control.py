import numpy as np
import pytest

from stt.sampling.curriculum.control import Controller, Curriculum
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.curriculum.simulation import SimulatedLearner, simulate
from stt.sampling.observations import Observations

DIFFICULTIES = [0.3, 0.6, 1.2]


@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.25])
def test_a_simulated_learner_is_held_at_the_target_and_wrong_labels_are_found(wrong: float) -> None:
    learner = SimulatedLearner(4000, DIFFICULTIES, wrong)
    simulation = simulate(learner, windows=160, share=0.2, strongest=1.0)
    for domain in range(3):
        observed = simulation.observed[:, domain]
        reached = np.flatnonzero(observed <= 0.10)
        assert len(reached)
        rest = observed[reached[0] :]
        assert ((rest >= 0.07) & (rest <= 0.13)).mean() >= 0.8
    assert simulation.effective.min() >= 0.1
    label_errors = simulation.curriculum.label_errors
    if wrong:
        right = (label_errors & learner.wrong).sum()
        assert right / label_errors.sum() >= 0.8
        assert right / learner.wrong.sum() >= 0.8
        assert simulation.wrong[-40:].mean() < (0.02 if wrong == 0.05 else 0.05)
    else:
        assert label_errors.mean() <= 0.01


def test_without_a_second_lever_the_cer_falls_below_the_target_and_with_it_it_does_not() -> None:
    last = {}
    for strongest in (0.0, 1.0):
        simulation = simulate(SimulatedLearner(2000, [0.3]), windows=120, share=0.2, strongest=strongest)
        last[strongest] = simulation.observed[-20:].mean()
    assert last[0.0] < 0.08
    assert last[1.0] == pytest.approx(0.1, abs=0.02)


def test_a_restored_curriculum_draws_the_same() -> None:
    learner = SimulatedLearner(500, DIFFICULTIES)
    curriculum = simulate(learner, windows=10, share=0.2).curriculum
    state = curriculum.state_dict()
    empty = Curriculum(
        Ledger.new(learner.domain, 3), [Controller.new(0.1) for _ in range(3)], curriculum.rows_by_domain, seed=9
    )
    empty.load_state_dict(state)
    for domain in range(3):
        for ours, theirs in zip(curriculum.draw(domain, 50, 10), empty.draw(domain, 50, 10), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert curriculum.bounds[domain] == empty.bounds[domain]


@pytest.mark.parametrize("size", [1, 2, 30])
def test_a_domain_of_which_a_window_takes_more_than_a_third_is_gone_through_pass_by_pass(size: int) -> None:
    learner = SimulatedLearner(size, [0.5])
    simulation = simulate(learner, windows=5, share=1.0)
    curriculum = simulation.curriculum
    trusted = np.flatnonzero(~curriculum.label_errors)
    curriculum.ledger.deficit[:] = 0
    rows, _ = curriculum.draw(0, 3 * size + size // 2, 6)
    copies = np.bincount(rows, minlength=size)[trusted]
    assert copies.max() - copies.min() <= 1
    assert curriculum.bounds[0].beta == 0
    assert np.isfinite(simulation.observed).all()


def test_where_nothing_is_chosen_no_utterance_gets_far_ahead_of_another() -> None:
    learner = SimulatedLearner(20, [0.5])
    curriculum = Curriculum(Ledger.new(learner.domain, 1), [Controller.new(0.1)], [np.arange(20)], seed=0)
    rows = np.concatenate([curriculum.draw(0, 8, i)[0] for i in range(100)])
    copies = np.bincount(rows)
    assert copies.max() - copies.min() <= 2


def test_what_is_put_back_comes_again_soon() -> None:
    curriculum = simulate(SimulatedLearner(300, [0.5]), windows=5, share=0.2).curriculum
    rows, _ = curriculum.draw(0, 60, 5)
    curriculum.put_back(rows[:10])
    after = np.concatenate([curriculum.draw(0, 60, i)[0] for i in (6, 7)])
    assert np.isin(rows[:10], after).mean() > np.isin(rows[10:], after).mean() + 0.5


def test_an_update_without_observations_changes_nothing() -> None:
    curriculum = simulate(SimulatedLearner(100, [0.5]), windows=3, share=0.2).curriculum
    before = curriculum.controllers[0].set_point
    curriculum.update(Observations.empty())
    assert curriculum.controllers[0].set_point == before


def test_what_is_observed_settles_at_the_target_whatever_the_estimates_get_wrong() -> None:
    for wrong in (0.5, 2.0):
        controller = Controller.new(0.1)
        for _ in range(15):
            observed = wrong * controller.set_point
            controller.update(observed, easiest=False, hardest=False)
        assert wrong * controller.set_point == pytest.approx(0.1, rel=0.01)


def test_at_a_bound_the_set_point_waits() -> None:
    controller = Controller.new(0.1)
    for _ in range(50):
        controller.update(0.6, easiest=True, hardest=False)
    assert controller.set_point == 0.1


def test_when_nothing_harder_is_left_the_strength_rises_and_falls_again() -> None:
    controller = Controller.new(0.1, strongest=0.3)
    for _ in range(20):
        controller.update(0.04, easiest=False, hardest=True)
    assert controller.strength == pytest.approx(0.3)
    controller.update(0.2, easiest=False, hardest=False)
    fallen = controller.strength
    assert 0 < fallen < 0.2
    controller.update(0.1, easiest=False, hardest=False)
    assert controller.strength == fallen


def test_another_target_scales_what_was_learned() -> None:
    old, new = Controller.new(0.1), Controller.new(0.05)
    old.update(0.2, easiest=False, hardest=False)
    new.carry_over(old)
    assert new.target == 0.05
    assert new.set_point == pytest.approx(old.set_point / 2)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1, float("nan")])
def test_a_target_that_means_nothing_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Controller.new(target)
