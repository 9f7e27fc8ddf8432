import numpy as np
import pytest

from stt.sampling.curriculum.ledger import Ledger


def ledger(size: int = 100, prior: np.ndarray | None = None) -> Ledger:
    return Ledger.new(np.zeros(size, np.int32), 1, prior)


def observe(book: Ledger, rows: np.ndarray, cers: np.ndarray) -> None:
    unknown = np.full(len(rows), np.nan, np.float32)
    book.observe(rows, cers.astype(np.float32), unknown, np.ones(len(rows), np.float32), 0)


def test_unseen_utterances_are_estimated_as_the_domains_mean() -> None:
    book = ledger()
    assert (book.estimate(np.arange(100), 0) == 1).all()
    observe(book, np.arange(50), np.full(50, 0.4))
    np.testing.assert_allclose(book.estimate(np.arange(50, 100), 0), 0.4, atol=1e-3)


def test_the_prior_orders_unseen_utterances() -> None:
    book = ledger(prior=np.array([0.1] * 50 + [0.3] * 49 + [np.nan], np.float32))
    observe(book, np.arange(0, 100, 2), np.full(50, 0.2))
    easy, hard, unknown = book.estimate(np.array([1, 51, 99]), 0)
    assert easy < unknown < hard
    assert unknown == pytest.approx(0.2, abs=1e-3)


def test_an_old_observation_is_scaled_by_the_drift_of_others() -> None:
    book = ledger()
    observe(book, np.arange(100), np.full(100, 0.8))
    before = book.estimate(np.array([99]), 0)[0]
    for cer in (0.6, 0.45, 0.34, 0.25, 0.19, 0.14):
        observe(book, np.arange(50), np.full(50, cer))
    not_repeated = book.estimate(np.array([99]), 0)[0]
    assert before == pytest.approx(0.8, abs=1e-3)
    assert 0.1 < not_repeated < 0.4


def test_repeated_observations_converge_to_the_utterances_cer() -> None:
    book, rng = ledger(), np.random.default_rng(0)
    true = rng.uniform(0.05, 0.6, 100)
    for _ in range(12):
        observe(book, np.arange(100), true)
    np.testing.assert_allclose(book.estimate(np.arange(100), 0), true, atol=0.04)


def test_cers_above_one_count_as_one() -> None:
    book = ledger()
    observe(book, np.arange(100), np.full(100, 7.0))
    assert book.estimate(np.arange(100), 0).max() == 1


def test_rarely_sampled_utterances_have_more_weight_in_the_domains_mean() -> None:
    book = ledger()
    cers = np.array([0.1, 0.5], np.float32)
    book.observe(np.arange(2), cers, np.full(2, np.nan, np.float32), np.array([1, 3], np.float32), 0)
    assert book.mean[0] == pytest.approx(0.4)


def test_label_error_scores_are_averaged_over_their_observations() -> None:
    book, rows = ledger(), np.arange(3)
    for scores in ([0.9, 0.2, np.nan], [0.7, np.nan, np.nan], [0.8, 0.4, np.nan]):
        book.observe(rows, np.zeros(3, np.float32), np.array(scores, np.float32), np.zeros(3, np.float32), 0)
    assert book.label_observations[:3].tolist() == [3, 2, 0]
    np.testing.assert_allclose(book.label_score[:3], [0.8, 0.3, 0.0], atol=1e-3)


def test_entries_are_carried_over_to_another_order_of_utterances_and_domains() -> None:
    old = Ledger.new(np.repeat([0, 1], 50).astype(np.int32), 2)
    old.observe(np.arange(50), np.full(50, 0.3, np.float32), np.full(50, 0.1, np.float32), np.ones(50, np.float32), 0)
    old_rows = np.array([-1, 70, 3, 2])
    new = Ledger.new(np.array([0, 1, 2, 2], np.int32), 3)
    new.carry_over(old, old_rows, [-1, 1, 0])
    assert new.count.tolist() == [0, 0, 1, 1]
    assert new.label_observations.tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(new.estimate(np.array([2, 3]), 2), 0.3, atol=1e-3)
    assert new.mean.tolist() == pytest.approx([1.0, 1.0, 0.3])


def test_the_state_is_the_whole_ledger() -> None:
    book = ledger()
    observe(book, np.arange(30), np.linspace(0, 1, 30))
    copy = Ledger.from_state_dict({name: value.copy() for name, value in book.state_dict().items()})
    observe(book, np.arange(10, 40), np.linspace(1, 0, 30))
    observe(copy, np.arange(10, 40), np.linspace(1, 0, 30))
    for name, value in book.state_dict().items():
        np.testing.assert_array_equal(value, copy.state_dict()[name])


def test_sixteen_million_utterances_take_a_few_hundred_megabytes() -> None:
    assert ledger(1_000_000).nbytes * 16.5 < 300e6
