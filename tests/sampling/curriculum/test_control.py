import numpy as np
import pytest

from stt.sampling.curriculum.control import Controller, Curriculum
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.curriculum.simulation import SimulatedLearner, simulate
from stt.sampling.observations import Observations

DIFFICULTIES = [0.3, 0.6, 1.2]


@pytest.mark.parametrize("label_error_rate", [0.0, 0.05, 0.25])
def test_the_cer_of_a_simulated_learner_stays_at_the_target_and_label_errors_are_found(label_error_rate: float) -> None:
    learner = SimulatedLearner(4000, DIFFICULTIES, label_error_rate)
    simulation = simulate(learner, windows=160, share=0.2, max_strength=1.0)
    for domain in range(3):
        observed = simulation.observed_cer[:, domain]
        reached = np.flatnonzero(observed <= 0.10)
        assert len(reached)
        rest = observed[reached[0] :]
        assert ((rest >= 0.07) & (rest <= 0.13)).mean() >= 0.8
    assert simulation.effective_share.min() >= 0.1
    label_errors = simulation.curriculum.label_errors
    if label_error_rate:
        correct = (label_errors & learner.is_label_error).sum()
        assert correct / label_errors.sum() >= 0.8
        assert correct / learner.is_label_error.sum() >= 0.8
        assert simulation.label_error_share[-40:].mean() < (0.02 if label_error_rate == 0.05 else 0.05)
    else:
        assert label_errors.mean() <= 0.01


def test_only_the_secondary_control_keeps_an_easy_domain_at_the_target() -> None:
    last = {}
    for max_strength in (0.0, 1.0):
        simulation = simulate(SimulatedLearner(2000, [0.3]), windows=120, share=0.2, max_strength=max_strength)
        last[max_strength] = simulation.observed_cer[-20:].mean()
    assert last[0.0] < 0.08
    assert last[1.0] == pytest.approx(0.1, abs=0.02)


def test_a_restored_curriculum_samples_the_same() -> None:
    learner = SimulatedLearner(500, DIFFICULTIES)
    curriculum = simulate(learner, windows=10, share=0.2).curriculum
    state = curriculum.state_dict()
    other = Curriculum(
        Ledger.new(learner.domain, 3), [Controller.new(0.1) for _ in range(3)], curriculum.rows_by_domain, seed=9
    )
    other.load_state_dict(state)
    for domain in range(3):
        for expected, restored in zip(curriculum.sample(domain, 50, 10), other.sample(domain, 50, 10), strict=True):
            np.testing.assert_array_equal(restored, expected)
        assert curriculum.tilts[domain] == other.tilts[domain]


@pytest.mark.parametrize("size", [1, 2, 30])
def test_an_oversampled_domain_is_sampled_in_passes(size: int) -> None:
    learner = SimulatedLearner(size, [0.5])
    simulation = simulate(learner, windows=5, share=1.0)
    curriculum = simulation.curriculum
    trusted = np.flatnonzero(~curriculum.label_errors)
    curriculum.ledger.deficit[:] = 0
    rows, _ = curriculum.sample(0, 3 * size + size // 2, 6)
    copies = np.bincount(rows, minlength=size)[trusted]
    assert copies.max() - copies.min() <= 1
    assert curriculum.tilts[0].beta == 0
    assert np.isfinite(simulation.observed_cer).all()


def test_no_utterance_of_an_oversampled_domain_gets_far_ahead_of_another() -> None:
    learner = SimulatedLearner(20, [0.5])
    curriculum = Curriculum(Ledger.new(learner.domain, 1), [Controller.new(0.1)], [np.arange(20)], seed=0)
    rows = np.concatenate([curriculum.sample(0, 8, i)[0] for i in range(100)])
    copies = np.bincount(rows)
    assert copies.max() - copies.min() <= 2


def test_returned_utterances_are_sampled_again_soon() -> None:
    curriculum = simulate(SimulatedLearner(300, [0.5]), windows=5, share=0.2).curriculum
    rows, _ = curriculum.sample(0, 60, 5)
    curriculum.put_back(rows[:10])
    after = np.concatenate([curriculum.sample(0, 60, i)[0] for i in (6, 7)])
    assert np.isin(rows[:10], after).mean() > np.isin(rows[10:], after).mean() + 0.5


def test_an_update_without_observations_changes_nothing() -> None:
    curriculum = simulate(SimulatedLearner(100, [0.5]), windows=3, share=0.2).curriculum
    before = curriculum.controllers[0].set_point
    curriculum.update(Observations.empty())
    assert curriculum.controllers[0].set_point == before


def test_the_observed_cer_settles_at_the_target_whatever_the_bias_of_the_estimates() -> None:
    for bias in (0.5, 2.0):
        controller = Controller.new(0.1)
        for _ in range(15):
            observed = bias * controller.set_point
            controller.update(observed, at_easiest=False, at_hardest=False)
        assert bias * controller.set_point == pytest.approx(0.1, rel=0.01)


def test_the_set_point_does_not_move_at_a_bound() -> None:
    controller = Controller.new(0.1)
    for _ in range(50):
        controller.update(0.6, at_easiest=True, at_hardest=False)
    assert controller.set_point == 0.1


def test_the_strength_rises_at_the_hardest_bound_and_falls_again() -> None:
    controller = Controller.new(0.1, max_strength=0.3)
    for _ in range(20):
        controller.update(0.04, at_easiest=False, at_hardest=True)
    assert controller.strength == pytest.approx(0.3)
    controller.update(0.2, at_easiest=False, at_hardest=False)
    fallen = controller.strength
    assert 0 < fallen < 0.2
    controller.update(0.1, at_easiest=False, at_hardest=False)
    assert controller.strength == fallen


def test_the_set_point_is_scaled_to_a_new_target() -> None:
    old, new = Controller.new(0.1), Controller.new(0.05)
    old.update(0.2, at_easiest=False, at_hardest=False)
    new.carry_over(old)
    assert new.target == 0.05
    assert new.set_point == pytest.approx(old.set_point / 2)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1, float("nan")])
def test_an_invalid_target_raises(target: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Controller.new(target)
