import numpy as np
import pytest

from stt.curriculum.tilt import LEAST_EFFECTIVE, STEEPEST, draw, effective_share, histogram, solve_beta, tilted_mean

CERS = np.random.default_rng(0).beta(1.2, 2.5, 50_000).astype(np.float32)


@pytest.mark.parametrize("target", [0.15, 0.25, 0.3, 0.4, 0.45])
def test_the_draw_has_the_target_as_its_mean(target: float) -> None:
    beta = solve_beta(histogram(CERS), target)
    drawn = CERS[draw(CERS, beta, 500, np.random.default_rng(1))]
    assert float(drawn.mean()) == pytest.approx(target, abs=0.03)
    assert (beta > 0) == (target < CERS.mean())


def test_a_target_out_of_reach_stops_at_the_bound_of_effective_utterances() -> None:
    binned = histogram(CERS)
    for target in (0.0, 1.0):
        assert effective_share(binned, solve_beta(binned, target)) >= LEAST_EFFECTIVE
        assert effective_share(binned, 1.02 * solve_beta(binned, target)) < LEAST_EFFECTIVE
    easy = histogram(np.where(CERS < 0.3, 0, CERS))
    assert solve_beta(easy, 0.0) == STEEPEST, "so many utterances are easy here that the bound of beta comes first"


def test_the_mean_falls_as_beta_rises() -> None:
    means = [tilted_mean(histogram(CERS), beta) for beta in np.linspace(-20, 20, 41)]
    assert means == sorted(means, reverse=True)
    assert means[20] == pytest.approx(float(CERS.mean()), abs=1e-3)


def test_nothing_is_drawn_twice_and_frequencies_are_those_of_the_tilt() -> None:
    cers, rng = np.array([0.0, 0.5, 1.0], np.float32), np.random.default_rng(0)
    counts = np.bincount([int(draw(cers, 2.0, 1, rng)[0]) for _ in range(20_000)], minlength=3) / 20_000
    expected = np.exp(-2 * cers) / np.exp(-2 * cers).sum()
    np.testing.assert_allclose(counts, expected, atol=0.01)
    assert len(set(draw(CERS, 3.0, 5000, rng).tolist())) == 5000


def test_asking_for_all_gives_all() -> None:
    assert sorted(draw(CERS[:5], 9.0, 7, np.random.default_rng(0))) == [0, 1, 2, 3, 4]


def test_one_cer_for_all_leaves_the_draw_uniform() -> None:
    binned = histogram(np.full(100, 0.8, np.float32))
    assert effective_share(binned, solve_beta(binned, 0.1)) == 1
