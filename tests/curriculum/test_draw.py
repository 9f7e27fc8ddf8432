import numpy as np
import pytest

from stt.curriculum.draw import counts_per_round, domain_shares, uniform_draw


def test_domains_get_equal_shares_whatever_their_size() -> None:
    assert domain_shares(["a", "b"], None).tolist() == [0.5, 0.5]
    rows = [np.arange(10_000), np.arange(10_000, 10_050)]
    durations = np.full(10_050, 4.0, np.float32)
    assert counts_per_round(durations, rows, domain_shares(["a", "b"], None), 800.0) == [100, 100]


def test_weights_are_relative() -> None:
    assert domain_shares(["a", "b"], {"b": 3}).tolist() == [0.25, 0.75]
    with pytest.raises(ValueError, match="unknown"):
        domain_shares(["a"], {"c": 1})
    with pytest.raises(ValueError, match="negative"):
        domain_shares(["a"], {"a": 0})


def test_a_domain_is_gone_through_before_anything_comes_again() -> None:
    rows = [np.arange(100, 130), np.arange(200, 207)]
    rounds = [uniform_draw(rows, [10, 3], seed=1, round_index=r) for r in range(9)]
    first = np.concatenate([drawn[:10] for drawn in rounds])
    assert sorted(first[:30]) == sorted(first[30:60]) == list(range(100, 130))
    assert first[:30].tolist() != first[30:60].tolist()
    second = np.concatenate([drawn[10:] for drawn in rounds])
    assert sorted(second[:7]) == sorted(second[7:14]) == list(range(200, 207))


def test_the_draw_depends_on_seed_and_round_alone() -> None:
    rows = [np.arange(50)]
    np.testing.assert_array_equal(uniform_draw(rows, [20], 3, 7), uniform_draw(rows, [20], 3, 7))
    assert uniform_draw(rows, [20], 3, 7).tolist() != uniform_draw(rows, [20], 4, 7).tolist()


def test_a_domain_of_one_utterance_repeats_it() -> None:
    assert uniform_draw([np.array([5])], [3], 0, 0).tolist() == [5, 5, 5]
