import numpy as np

from stt.sampling import UniformSampler
from tests.sampling.corpora import corpus


def start(sizes: dict[str, int], seed: int = 1) -> UniformSampler:
    sampler = UniformSampler()
    sampler.start(corpus(sizes), seed)
    return sampler


def test_all_utterances_of_a_domain_are_sampled_before_any_repeats() -> None:
    sampler = start({"a": 30, "b": 7})
    windows = [sampler.plan([10, 3], i).rows for i in range(9)]
    first = np.concatenate([rows[:10] for rows in windows])
    assert sorted(first[:30]) == sorted(first[30:60]) == list(range(30))
    assert first[:30].tolist() != first[30:60].tolist()
    second = np.concatenate([rows[10:] for rows in windows])
    assert sorted(second[:7]) == sorted(second[7:14]) == list(range(30, 37))


def test_every_domain_contributes_its_count_however_small_it_is() -> None:
    sampler = start({"large": 500, "one": 1, "small": 7})
    rows = sampler.plan([40, 40, 40], 0).rows
    assert np.bincount(sampler.utterances.domain[rows]).tolist() == [40, 40, 40]
    copies = np.bincount(rows[80:] - 501)
    assert copies.max() - copies.min() <= 1, "complete passes and part of one"


def test_returned_utterances_come_first_in_the_next_window() -> None:
    sampler = start({"a": 30, "b": 30})
    rows = sampler.plan([10, 10], 0).rows
    sampler.put_back(rows[[3, 15]])
    after = sampler.plan([10, 10], 1).rows
    assert after[0] == rows[3]
    assert after[10] == rows[15]
    seen = np.concatenate([np.delete(rows, [3, 15]), after, sampler.plan([11, 11], 2).rows])
    assert sorted(seen[:60]) == list(range(60))


def test_the_state_is_restored_but_passes_restart_with_other_rows() -> None:
    sampler = start({"a": 30, "b": 7})
    sampler.put_back(sampler.plan([10, 3], 0).rows[:2])
    state = sampler.state_dict()
    same, other = start({"a": 30, "b": 7}), start({"a": 29, "b": 7})
    same.load_state_dict(state)
    other.load_state_dict(state)
    np.testing.assert_array_equal(same.plan([10, 3], 1).rows, sampler.plan([10, 3], 1).rows)
    assert sorted(other.plan([29, 7], 1).rows) == list(range(36))


def test_seeds_give_different_plans() -> None:
    plans = [start({"a": 50}, seed).plan([20], 0).rows.tolist() for seed in (3, 3, 4)]
    assert plans[0] == plans[1] != plans[2]
