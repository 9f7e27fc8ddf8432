import random

import jiwer
import pytest

from stt.metrics.by_domain import mean_over_domains
from stt.metrics.counters import DomainCounters
from stt.metrics.error_rate import character_error_rate


def random_pairs(count: int) -> list[tuple[str, str]]:
    rng = random.Random(0)

    def text(least: int) -> str:
        return " ".join("".join(rng.choices("абв", k=rng.randint(1, 4))) for _ in range(rng.randint(least, 6)))

    return [(text(1), text(0)) for _ in range(count)]


def test_rates_over_a_corpus_are_jiwers() -> None:
    pairs = random_pairs(200)
    references, hypotheses = map(list, zip(*pairs, strict=True))
    metric = DomainCounters(["a"])
    for i in range(0, 200, 7):
        part = slice(i, i + 7)
        count = len(references[part])
        metric.update(["a"] * count, references[part], hypotheses[part], [1.0] * count)
    rate = metric.compute()["a"]
    assert rate.cer == pytest.approx(jiwer.cer(references, hypotheses))
    assert rate.wer == pytest.approx(jiwer.wer(references, hypotheses))
    assert rate.utterances == 200
    assert rate.hours == pytest.approx(200 / 3600)


def test_a_missing_space_is_an_error() -> None:
    assert character_error_rate("a b", "ab") == pytest.approx(1 / 3)


def test_domains_are_counted_apart_and_weigh_the_same_in_the_mean() -> None:
    metric = DomainCounters(["large", "small", "empty"])
    metric.update(["large"] * 9 + ["small"], ["ab"] * 10, ["ab"] * 9 + ["xy"], [1.0] * 10)
    rates = metric.compute()
    assert set(rates) == {"large", "small"}
    assert (rates["large"].cer, rates["small"].cer) == (0.0, 1.0)
    assert mean_over_domains(rates) == {"cer": 0.5, "wer": 0.5}


def test_an_empty_reference_counts_what_was_inserted() -> None:
    metric = DomainCounters(["a"])
    metric.update(["a", "a"], ["", "abcd"], ["ab", "abcd"], [1.0, 1.0])
    assert metric.compute()["a"].cer == 0.5
