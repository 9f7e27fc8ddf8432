import itertools

import numpy as np
import pytest

from stt.sampling.shares import domain_shares, oversampled_domains, window_counts


def counts_of(sizes: list[int], shares: list[float], step_seconds: float = 40.0, min_steps: int = 20) -> list[int]:
    edges = np.cumsum([0, *sizes])
    rows = [np.arange(start, end) for start, end in itertools.pairwise(edges)]
    durations = np.full(edges[-1], 4.0, np.float32)
    return window_counts(durations, rows, np.array(shares), step_seconds, min_steps, 1000)


def test_domains_get_equal_shares_regardless_of_size() -> None:
    assert domain_shares(["a", "b"], None).tolist() == [0.5, 0.5]
    assert counts_of([100_000, 900], [0.5, 0.5]) == [300, 300]


def test_no_domain_contributes_more_than_a_third_if_windows_may_be_that_short() -> None:
    assert counts_of([900, 3000, 30_000], [0.25, 0.25, 0.5]) == [300, 300, 600]


def test_the_window_of_a_large_corpus_is_limited() -> None:
    assert counts_of([1_000_000, 1_000_000], [0.5, 0.5]) == [5000, 5000]


def test_a_domain_too_small_for_the_shortest_window_is_oversampled() -> None:
    counts = counts_of([60, 3000], [0.5, 0.5])
    assert counts == [100, 100]
    assert oversampled_domains(counts, [np.arange(60), np.arange(60, 3060)]) == [0]


def test_a_domain_with_a_share_of_zero_contributes_nothing() -> None:
    assert counts_of([900, 900], [0.0, 1.0]) == [0, 300]


def test_weights_are_relative() -> None:
    assert domain_shares(["a", "b"], {"b": 3}).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="unknown"):
        domain_shares(["a"], {"c": 1})
    with pytest.raises(ValueError, match="negative"):
        domain_shares(["a"], {"a": 0})
