import numpy as np
import pytest

from stt.sampling.curriculum.tilt import (
    MAX_BETA,
    MIN_EFFECTIVE_SHARE,
    UNIFORM_SHARE,
    effective_share,
    histogram,
    largest_deficits,
    relative_frequencies,
    solve_beta,
    tilted_mean,
)

CERS = np.random.default_rng(0).beta(1.2, 2.5, 50_000).astype(np.float32)


@pytest.mark.parametrize("target", [0.28, 0.3, 0.33, 0.36, 0.42])
def test_tilted_sampling_has_the_target_as_its_mean(target: float) -> None:
    binned = histogram(CERS)
    beta = solve_beta(binned, target)
    frequencies = relative_frequencies(CERS, binned, beta)
    assert float(frequencies.mean()) == pytest.approx(1, abs=1e-3)
    assert float((frequencies * CERS).mean()) == pytest.approx(target, abs=1e-3)
    assert (beta > 0) == (target < CERS.mean())


def test_every_utterance_keeps_a_minimum_frequency() -> None:
    binned = histogram(CERS)
    for target in (0.28, 1.0):
        assert relative_frequencies(CERS, binned, solve_beta(binned, target)).min() >= UNIFORM_SHARE


def test_sampling_is_uniform_where_no_tilt_is_easy_enough() -> None:
    binned = histogram(CERS)
    easiest = next(target for target in np.linspace(0, 1, 201) if solve_beta(binned, target))
    assert 0.5 * CERS.mean() < easiest < CERS.mean()
    assert MIN_EFFECTIVE_SHARE <= effective_share(binned, solve_beta(binned, easiest)) < MIN_EFFECTIVE_SHARE + 0.03
    easy = histogram(np.where(np.arange(len(CERS)) % 20 == 0, CERS, 0))
    assert solve_beta(easy, tilted_mean(easy, MAX_BETA)) == pytest.approx(MAX_BETA), (
        "its bound is reached before that of the share"
    )


def test_a_target_that_is_too_hard_stops_at_the_bound_of_the_effective_sample_size() -> None:
    binned = histogram(CERS)
    assert effective_share(binned, solve_beta(binned, 1.0)) >= MIN_EFFECTIVE_SHARE
    assert effective_share(binned, 1.02 * solve_beta(binned, 1.0)) < MIN_EFFECTIVE_SHARE
    hard = histogram(np.where(np.arange(len(CERS)) % 20 == 0, CERS, 1))
    assert solve_beta(hard, 1.0) == -MAX_BETA, "so many utterances are hard that the bound of beta is reached first"


def test_the_mean_falls_as_beta_rises() -> None:
    means = [tilted_mean(histogram(CERS), beta) for beta in np.linspace(-20, 20, 41)]
    assert means == sorted(means, reverse=True)
    assert means[20] == pytest.approx(float(CERS.mean()), abs=1e-3)


def sample_counts(frequencies: np.ndarray, count: int, windows: int) -> np.ndarray:
    """Count how often each index is sampled."""
    rng = np.random.default_rng(0)
    deficits, counts = rng.random(len(frequencies)).astype(np.float32), np.zeros(len(frequencies), int)
    for _ in range(windows):
        deficits += frequencies * np.float32(count / len(frequencies))
        selected = largest_deficits(deficits, count, rng)
        assert len(set(selected.tolist())) == count
        deficits[selected] -= 1
        counts[selected] += 1
    return counts


def test_without_a_tilt_all_are_sampled_equally_often() -> None:
    counts = sample_counts(np.ones(1000, np.float32), 300, 40)
    assert counts.sum() == 12_000
    assert counts.min() >= 11
    assert counts.max() <= 13


def test_sampling_follows_the_frequencies() -> None:
    frequencies = np.repeat([0.5, 1.0, 1.5], 400).astype(np.float32)
    counts = sample_counts(frequencies, 240, 100).reshape(3, 400)
    np.testing.assert_allclose(counts.mean(axis=1), [10, 20, 30], rtol=0.02)
    assert counts.std(axis=1).max() < 1


def test_the_same_utterances_are_not_always_sampled_together() -> None:
    rng = np.random.default_rng(0)
    deficits, samples = rng.random(1000).astype(np.float32), []
    for _ in range(20):
        deficits += np.float32(0.25)
        selected = largest_deficits(deficits, 250, rng)
        deficits[selected] -= 1
        samples.append(set(selected.tolist()))
    assert max(len(samples[0] & other) for other in samples[1:]) < 200


def test_asking_for_more_than_all_returns_all() -> None:
    assert sorted(largest_deficits(CERS[:5], 7, np.random.default_rng(0))) == [0, 1, 2, 3, 4]


def test_equal_cers_leave_sampling_uniform() -> None:
    binned = histogram(np.full(100, 0.8, np.float32))
    assert effective_share(binned, solve_beta(binned, 0.1)) == 1
