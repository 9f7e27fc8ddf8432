import numpy as np
import pytest

from stt.data.batch import Skipped, Utterance, collate
from stt.data.completeness import Completeness
from stt.errors import InputError


def counted(domain: str, used: int, skipped: int, first_row: int = 0) -> Completeness:
    completeness = Completeness()
    rows = range(first_row, first_row + used + skipped)
    completeness.add(
        collate(
            [
                Skipped(row, f"{row}.wav", domain, "silence", f"row {row}")
                if i < skipped
                else Utterance(row, f"{row}.wav", domain, 1.0, np.ones(5, np.float32), "r", [1])
                for i, row in enumerate(rows)
            ]
        )
    )
    return completeness


def test_a_domain_may_lose_exactly_the_allowed_share() -> None:
    counted("calls", 19, 1).check(0.05, "LIMIT")
    with pytest.raises(InputError, match=r"2 of 39 utterances \(5\.1 %\) of the domain calls .* and LIMIT allows 5 %"):
        counted("calls", 37, 2).check(0.05, "LIMIT")


def test_a_domain_with_nothing_left_is_refused_whatever_the_limit() -> None:
    with pytest.raises(InputError, match="so none is left"):
        counted("calls", 0, 3).check(1.0, "LIMIT")
    Completeness().check(0.0, "LIMIT")


def test_ranks_are_judged_together_and_the_first_row_is_named() -> None:
    parts = [counted("calls", 0, 2, first_row=7), counted("calls", 40, 0), counted("radio", 5, 0), Completeness()]
    total = Completeness.merged(parts)
    total.check(0.05, "LIMIT")
    assert total.describe() == "2 skipped (calls 2)"
    with pytest.raises(InputError, match="first reason: silence, row 3"):
        Completeness.merged([*parts, counted("calls", 0, 2, first_row=3)]).check(0.05, "LIMIT")


def test_few_utterances_are_counted_on_until_they_are_enough_to_judge() -> None:
    completeness = counted("calls", 0, 15)
    completeness.check(0.5, "LIMIT", at_least=20)
    completeness.forget(completeness.domains(at_least=20))
    with pytest.raises(InputError, match="30 of 30"):
        Completeness.merged([completeness, counted("calls", 0, 15)]).check(0.5, "LIMIT", at_least=20)
    completeness.forget(["calls"])
    assert completeness.domains() == []
