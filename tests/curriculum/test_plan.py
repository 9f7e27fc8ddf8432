import numpy as np
import pytest

from stt.curriculum.plan import RoundPlan, cut_by_cost, padding_share, plan_round

RNG = np.random.default_rng(0)
DURATIONS = RNG.lognormal(1.2, 0.5, 5000).clip(0.5, 20).astype(np.float32)
DRAWN = RNG.permutation(5000)[:4000]


def make(num_ranks: int = 2, limit: float = 200.0, round_index: int = 0) -> RoundPlan:
    return plan_round(DRAWN, DURATIONS, 50, num_ranks, limit, seed=0, round_index=round_index)


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_every_rank_gets_the_same_number_of_batches_and_every_row_comes_once(num_ranks: int) -> None:
    plan = make(num_ranks, limit=1000.0)
    batches = [plan.of_rank(rank) for rank in range(num_ranks)]
    assert {len(part) for part in batches} == {50}
    rows = np.concatenate([rows for part in batches for rows in part])
    assert sorted(rows) == sorted(DRAWN)
    assert plan.left_over == 0


def test_no_batch_is_over_the_limit_and_what_finds_no_room_is_counted() -> None:
    total = float(DURATIONS[DRAWN].sum())
    plan = make(limit=0.9 * total / 100)
    rows = [rows for ranks in plan.batches for rows in ranks]
    assert max(float(DURATIONS[part].max()) * len(part) for part in rows) <= 0.9 * total / 100 * 1.001
    assert plan.left_over == 4000 - sum(map(len, rows)) > 0
    assert len(np.unique(np.concatenate(rows))) == sum(map(len, rows))


def test_padding_is_under_10_percent_and_batches_of_a_step_cost_alike() -> None:
    plan = make()
    rows = [rows for ranks in plan.batches for rows in ranks]
    assert padding_share(rows, DURATIONS) < 0.1
    for ranks in plan.batches:
        costs = [float(DURATIONS[part].max()) * len(part) for part in ranks]
        assert max(costs) / min(costs) < 1.25
    assert 0 < plan.rank_spread(DURATIONS) < 0.05
    assert make(num_ranks=1).rank_spread(DURATIONS) == 0


def test_the_plan_is_equal_on_all_ranks_and_another_in_another_round() -> None:
    assert make().digest() == make().digest()
    assert make().digest() != make(round_index=1).digest()


def test_rows_left_over_are_not_always_the_long_ones() -> None:
    plan = make(limit=100.0)
    kept = np.concatenate([rows for ranks in plan.batches for rows in ranks])
    assert DURATIONS[kept].mean() == pytest.approx(DURATIONS[DRAWN].mean(), rel=0.05)


def test_cuts_agree_with_a_loop() -> None:
    durations = np.sort(DURATIONS[:500]).astype(np.float64)
    slow, start = [], 0
    for i in range(1, 500):
        if durations[i] * (i + 1 - start) > 40.0:
            slow.append(i)
            start = i
    assert cut_by_cost(durations, 40.0) == slow


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        make(limit=5.0)
    with pytest.raises(ValueError, match="were drawn"):
        plan_round(DRAWN[:10], DURATIONS, 50, 1, 100.0, 0, 0)
