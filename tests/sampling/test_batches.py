import itertools

import numpy as np
import pytest

from stt.sampling.batches import MAX_PADDING_SHARE, BatchPlan, cost, cut_batches, cut_by_cost, padding_share

RNG = np.random.default_rng(0)
DURATIONS = RNG.lognormal(1.2, 0.5, 5000).clip(0.5, 20).astype(np.float32)
ROWS = RNG.permutation(5000)[:4000]


def cut(rows: np.ndarray = ROWS, num_ranks: int = 2, limit: float = 100.0, seed: int = 0) -> BatchPlan:
    return cut_batches(rows, DURATIONS, num_ranks, limit, np.random.default_rng(seed))


def flat(plan: BatchPlan) -> list[np.ndarray]:
    return [rows for ranks in plan.batches for rows in ranks]


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_every_row_occurs_once_and_every_step_has_a_batch_for_each_rank(num_ranks: int) -> None:
    plan = cut(num_ranks=num_ranks)
    assert {len(ranks) for ranks in plan.batches} == {num_ranks}
    assert sorted(np.concatenate(flat(plan))) == sorted(ROWS)
    assert not len(plan.leftover)


def test_no_batch_exceeds_the_limit_and_most_are_close_to_it() -> None:
    costs = [cost(rows, DURATIONS) for rows in flat(cut())]
    assert max(costs) <= 100.0
    assert np.mean(costs) > 90.0


def test_padding_stays_within_its_budget_and_uses_it() -> None:
    for seed in range(5):
        padding = padding_share(flat(cut(seed=seed)), DURATIONS)
        assert 0.6 * MAX_PADDING_SHARE < padding <= 1.05 * MAX_PADDING_SHARE


def test_batches_of_a_step_have_similar_costs() -> None:
    spreads = []
    for ranks in cut(num_ranks=3, limit=200.0).batches:
        costs = [cost(rows, DURATIONS) for rows in ranks]
        spreads.append((max(costs) - min(costs)) / np.mean(costs))
    assert max(spreads) < 0.3
    assert np.mean(spreads) < 0.05


def test_rows_of_a_batch_are_sorted_by_length() -> None:
    for rows in flat(cut()):
        assert (np.diff(DURATIONS[rows]) >= 0).all()


def test_batches_are_determined_by_the_seed() -> None:
    one, same, other = cut(seed=1), cut(seed=1), cut(seed=2)
    assert [rows.tolist() for rows in flat(one)] == [rows.tolist() for rows in flat(same)]
    assert [rows.tolist() for rows in flat(one)] != [rows.tolist() for rows in flat(other)]


@pytest.mark.parametrize("copies", [2, 5])
def test_no_batch_contains_an_utterance_twice_if_there_are_enough_batches(copies: int) -> None:
    rows = np.concatenate([ROWS[:3000], np.tile(ROWS[3000:3200], copies)])
    plan = cut(rows, num_ranks=1, limit=60.0)
    assert all(len(np.unique(part)) == len(part) for part in flat(plan))
    assert sorted([*np.concatenate(flat(plan)), *plan.leftover]) == sorted(rows)
    assert len(plan.leftover) < 0.005 * len(rows)
    assert max(cost(part, DURATIONS) for part in flat(plan)) <= 60.0
    assert padding_share(flat(plan), DURATIONS) <= 1.15 * MAX_PADDING_SHARE


def test_copies_of_a_few_utterances_that_fill_the_batches_are_kept() -> None:
    rows = np.tile(ROWS[:5], 40)
    plan = cut(rows, num_ranks=1, limit=60.0)
    assert sorted(np.concatenate(flat(plan))) == sorted(rows)


def test_long_utterances_that_do_not_fill_a_step_are_left_over() -> None:
    durations = np.full(7, 9.0, np.float32)
    plan = cut_batches(np.arange(7), durations, 2, 10.0, np.random.default_rng(0))
    assert len(plan.batches) == 3
    assert len(plan.leftover) == 1
    assert sorted([*np.concatenate(flat(plan)), *plan.leftover]) == list(range(7))


@pytest.mark.parametrize("limit", [21.0, 40.0, 333.0])
def test_cuts_agree_with_a_simple_loop(limit: float) -> None:
    durations = DURATIONS[:500].astype(np.float64)
    slow, start = [], 0
    for i in range(1, 500):
        if durations[start : i + 1].max() * (i + 1 - start) > limit:
            slow.append(i)
            start = i
    assert cut_by_cost(durations, limit) == slow


def test_impossible_batches_raise() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        cut(limit=5.0)
    with pytest.raises(ValueError, match="not enough for 3 ranks"):
        cut(ROWS[:2], num_ranks=3)


def test_utterances_of_equal_length_are_mixed_freely() -> None:
    durations = np.full(400, 2.0, np.float32)
    neighbors = set()
    for seed in range(40):
        for ranks in cut_batches(np.arange(400), durations, 1, 20.0, np.random.default_rng(seed)).batches:
            neighbors |= {pair for pair in itertools.combinations(ranks[0].tolist(), 2) if pair[0] == 0}
    assert len(neighbors) > 100  # of at most 40 * 9
