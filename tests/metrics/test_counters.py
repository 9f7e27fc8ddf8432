import random

import jiwer
import pytest

from stt.metrics.counters import DomainCounters
from stt.metrics.domain_results import mean_over_domains
from stt.metrics.error_rate import character_error_rate


def random_pairs(count: int) -> list[tuple[str, str]]:
    rng = random.Random(0)

    def text(min_words: int) -> str:
        return " ".join("".join(rng.choices("абв", k=rng.randint(1, 4))) for _ in range(rng.randint(min_words, 6)))

    return [(text(1), text(0)) for _ in range(count)]


def test_corpus_error_rates_match_jiwer() -> None:
    pairs = random_pairs(200)
    references, hypotheses = map(list, zip(*pairs, strict=True))
    counters = DomainCounters(["a"])
    for i in range(0, 200, 7):
        part = slice(i, i + 7)
        count = len(references[part])
        counters.update(["a"] * count, references[part], hypotheses[part], [1.0] * count)
    rate = counters.compute()["a"]
    assert rate.cer == pytest.approx(jiwer.cer(references, hypotheses))
    assert rate.wer == pytest.approx(jiwer.wer(references, hypotheses))
    assert rate.utterances == 200
    assert rate.hours == pytest.approx(200 / 3600)


def test_a_missing_space_is_an_error() -> None:
    assert character_error_rate("a b", "ab") == pytest.approx(1 / 3)


def test_domains_are_counted_separately_and_weighted_equally_in_the_mean() -> None:
    counters = DomainCounters(["large", "small", "empty"])
    counters.update(["large"] * 9 + ["small"], ["ab"] * 10, ["ab"] * 9 + ["xy"], [1.0] * 10)
    rates = counters.compute()
    assert set(rates) == {"large", "small"}
    assert (rates["large"].cer, rates["small"].cer) == (0.0, 1.0)
    assert mean_over_domains(rates) == {"cer": 0.5, "wer": 0.5}


def test_insertions_into_an_empty_reference_count_as_errors() -> None:
    counters = DomainCounters(["a"])
    counters.update(["a", "a"], ["", "abcd"], ["ab", "abcd"], [1.0, 1.0])
    assert counters.compute()["a"].cer == 0.5
