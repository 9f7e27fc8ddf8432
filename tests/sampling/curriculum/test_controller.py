import pytest

from stt.sampling.curriculum.controller import Controller


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
