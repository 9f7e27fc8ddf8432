import numpy as np
import pytest

from stt.curriculum.ledger import Ledger
from stt.curriculum.suspects import LEAST_LOOKS, find_suspects, valley

RNG = np.random.default_rng(0)
GOOD = RNG.beta(1, 8, 2000)


def ledger(level: np.ndarray, looks: int = LEAST_LOOKS) -> Ledger:
    book = Ledger.new(np.zeros(len(level), np.int32), 1)
    book.level[:] = level
    book.looks[:] = looks
    return book


@pytest.mark.parametrize("share", [0.05, 0.25])
def test_a_heap_of_wrong_labels_is_found_behind_the_valley(share: float) -> None:
    wrong = int(share * len(GOOD))
    level = np.concatenate([GOOD, RNG.normal(0.85, 0.07, wrong).clip(0, 1)])
    found = find_suspects(ledger(level), 0)
    assert found[len(GOOD) :].mean() > 0.9
    assert found[len(GOOD) :].sum() / found.sum() > 0.9


@pytest.mark.parametrize("shape", [(1, 8), (1.5, 3), (2, 2)])
def test_a_tail_of_hard_utterances_is_not_suspected(shape: tuple[float, float]) -> None:
    assert find_suspects(ledger(RNG.beta(*shape, 3000)), 0).mean() <= 0.01


def test_nothing_is_suspected_before_it_was_looked_at_often_enough() -> None:
    level = np.concatenate([GOOD, np.full(200, 0.9)])
    assert not find_suspects(ledger(level, LEAST_LOOKS - 1), 0).any()
    assert not find_suspects(ledger(np.full(20, 0.9)), 0).any()


def test_a_domain_that_is_bad_as_a_whole_has_no_valley() -> None:
    assert valley(RNG.normal(0.8, 0.1, 1000).clip(0, 1).astype(np.float32)) == float("inf")
