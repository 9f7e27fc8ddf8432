import numpy as np
import pytest

from stt.sampling.curriculum.tilt import (
    LEAST_EFFECTIVE,
    STEEPEST,
    UNIFORM_SHARE,
    draw,
    effective_share,
    frequencies,
    histogram,
    solve_beta,
    tilted_mean,
)

CERS = np.random.default_rng(0).beta(1.2, 2.5, 50_000).astype(np.float32)


@pytest.mark.parametrize("target", [0.28, 0.3, 0.33, 0.36, 0.42])
def test_what_comes_as_often_as_the_tilt_says_has_the_target_as_its_mean(target: float) -> None:
    binned = histogram(CERS)
    beta = solve_beta(binned, target)
    often = frequencies(CERS, binned, beta)
    assert float(often.mean()) == pytest.approx(1, abs=1e-3)
    assert float((often * CERS).mean()) == pytest.approx(target, abs=1e-3)
    assert (beta > 0) == (target < CERS.mean())


def test_no_utterance_is_given_up() -> None:
    binned = histogram(CERS)
    for target in (0.0, 1.0):
        assert frequencies(CERS, binned, solve_beta(binned, target)).min() >= UNIFORM_SHARE


def test_a_target_out_of_reach_stops_at_the_bound_of_effective_utterances() -> None:
    binned = histogram(CERS)
    for target in (0.0, 1.0):
        assert effective_share(binned, solve_beta(binned, target)) >= LEAST_EFFECTIVE
        assert effective_share(binned, 1.02 * solve_beta(binned, target)) < LEAST_EFFECTIVE
    easy = histogram(np.where(np.arange(len(CERS)) % 20 == 0, CERS, 0))
    assert solve_beta(easy, 0.0) == STEEPEST, "so many utterances are easy here that the bound of beta comes first"


def test_the_mean_falls_as_beta_rises() -> None:
    means = [tilted_mean(histogram(CERS), beta) for beta in np.linspace(-20, 20, 41)]
    assert means == sorted(means, reverse=True)
    assert means[20] == pytest.approx(float(CERS.mean()), abs=1e-3)


def drawn_counts(often: np.ndarray, count: int, rounds: int) -> np.ndarray:
    """How often each place is drawn."""
    rng = np.random.default_rng(0)
    deficits, counts = rng.random(len(often)).astype(np.float32), np.zeros(len(often), int)
    for _ in range(rounds):
        deficits += often * np.float32(count / len(often))
        places = draw(deficits, count, rng)
        assert len(set(places.tolist())) == count
        deficits[places] -= 1
        counts[places] += 1
    return counts


def test_without_a_tilt_everything_comes_equally_often() -> None:
    counts = drawn_counts(np.ones(1000, np.float32), 300, 40)
    assert counts.sum() == 12_000
    assert counts.min() >= 11
    assert counts.max() <= 13


def test_what_is_favoured_comes_as_often_as_it_should() -> None:
    often = np.repeat([0.5, 1.0, 1.5], 400).astype(np.float32)
    counts = drawn_counts(often, 240, 100).reshape(3, 400)
    np.testing.assert_allclose(counts.mean(axis=1), [10, 20, 30], rtol=0.02)
    assert counts.std(axis=1).max() < 1


def test_utterances_are_not_always_drawn_together() -> None:
    rng = np.random.default_rng(0)
    deficits, draws = rng.random(1000).astype(np.float32), []
    for _ in range(20):
        deficits += np.float32(0.25)
        places = draw(deficits, 250, rng)
        deficits[places] -= 1
        draws.append(set(places.tolist()))
    assert max(len(draws[0] & other) for other in draws[1:]) < 200


def test_asking_for_all_gives_all() -> None:
    assert sorted(draw(CERS[:5], 7, np.random.default_rng(0))) == [0, 1, 2, 3, 4]


def test_one_cer_for_all_leaves_the_draw_uniform() -> None:
    binned = histogram(np.full(100, 0.8, np.float32))
    assert effective_share(binned, solve_beta(binned, 0.1)) == 1
