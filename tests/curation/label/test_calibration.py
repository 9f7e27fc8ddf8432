import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stt.curation.label.calibration import Calibration, Observed, cross_fitted
from stt.curation.label.labeller import EDITS, SCORE, TEXT, WORDS
from stt.curation.label.outcome import Choice, calibration_by_domain, choose, notes
from stt.curation.label.reliability import Reliability, interval
from stt.errors import InputError

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
UTTERANCES = st.lists(st.tuples(st.integers(-5, 0), st.integers(0, 6), st.integers(1, 4)), min_size=1, max_size=7)


def observed(utterances: list[tuple[float, int, int]]) -> Observed:
    return Observed(*(np.array(column, np.float64) for column in zip(*utterances, strict=True)))


def speech(count: int, seed: int = 0, mean: float = 0.15) -> Observed:
    """Utterances of five words whose probability of being wrong is known: 1 - exp(score)."""
    rng = np.random.default_rng(seed)
    scores = -rng.exponential(mean, count)
    return Observed(scores, rng.binomial(5, 1 - np.exp(scores)).astype(float), np.full(count, 5.0))


def slow_isotonic(part: Observed) -> dict[float, float]:
    """Try all partitions of the scores into blocks, and return the falling one with the least squared error."""
    scores = sorted(set(part.scores.tolist()))
    rates = {s: part.where(part.scores == s) for s in scores}
    best: tuple[float, dict[float, float]] = (np.inf, {})
    for cuts in itertools.product([False, True], repeat=len(scores) - 1):
        blocks = [[scores[0]]]
        for score, cut in zip(scores[1:], cuts, strict=True):
            blocks = [*blocks, [score]] if cut else [*blocks[:-1], [*blocks[-1], score]]
        values = [part.where(np.isin(part.scores, block)).wer for block in blocks]
        if any(a < b for a, b in itertools.pairwise(values)):
            continue
        fitted = {s: value for block, value in zip(blocks, values, strict=True) for s in block}
        error = sum(rates[s].words.sum() * (rates[s].wer - fitted[s]) ** 2 for s in scores)
        best = min(best, (float(error), fitted), key=lambda pair: pair[0])
    return best[1]


@quick
@given(UTTERANCES)
def test_the_fit_is_the_best_of_all_that_do_not_rise(utterances: list[tuple[float, int, int]]) -> None:
    part = observed(utterances)
    fit = Calibration.fit(part)
    expected = slow_isotonic(part)
    assert dict(zip(fit.scores, fit.wers, strict=True)) == pytest.approx(expected)


@quick
@given(UTTERANCES)
def test_surer_is_never_worse_and_errors_are_kept_in_all(utterances: list[tuple[float, int, int]]) -> None:
    part = observed(utterances)
    fit = Calibration.fit(part)
    grid = fit.expected_wer(np.linspace(-7, 2, 50))
    assert (np.diff(grid) <= 1e-12).all()
    assert (fit.wers * fit.words).sum() == pytest.approx(part.edits.sum())
    confidences = fit.confidence([-np.inf, *np.linspace(-7, 2, 50)])
    assert ((confidences >= 0) & (confidences <= 1)).all()


@quick
@given(UTTERANCES, st.sampled_from([0.05, 0.2, 0.5, 0.9]))
def test_what_is_kept_has_the_wanted_rate_even_with_one_more_that_is_wrong(
    utterances: list[tuple[float, int, int]], max_wer: float
) -> None:
    part = observed(utterances)
    fit = Calibration.fit(part)
    score = fit.lowest_score(max_wer)
    one_more = part.words.mean()

    def rate(lowest: float) -> float:
        kept = part.where(part.scores >= lowest)
        expected = (fit.expected_wer(kept.scores) * kept.words).sum()
        return float((expected + one_more) / (kept.words.sum() + one_more))

    reached = [s for s in sorted(set(part.scores.tolist())) if rate(s) <= max_wer + 1e-9]
    assert score == (reached[0] if reached else None)


def test_equal_scores_are_kept_or_rejected_together() -> None:
    part = observed([(-1.0, 0, 5), (-1.0, 5, 5), (-1.0, 0, 5)] * 100)
    fit = Calibration.fit(part)
    assert fit.wers.tolist() == [pytest.approx(1 / 3)]
    assert fit.lowest_score(0.3) is None
    assert fit.lowest_score(0.4) == -1.0


def test_with_perfect_hypotheses_everything_is_kept_if_there_are_enough() -> None:
    perfect = observed([(0.0, 0, 5)] * 100)
    assert choose(perfect, 0.01, "m").min_score == 0.0
    assert choose(perfect, 0.01, "m").calibration.confidence([0.0, -3.0]).tolist() == [1.0, 1.0]
    with pytest.raises(
        InputError, match=r"surest 90 of 90 utterances of m have an expected WER of 1\.1 %.* all have 0"
    ):
        choose(observed([(0.0, 0, 5)] * 90), 0.01, "m")


def test_nothing_to_calibrate_with_is_an_error() -> None:
    for count in (0, 1):
        with pytest.raises(InputError, match=f"--calibrate m: {count} rows have a text and are recognized, too few"):
            choose(Observed(*np.ones((3, count))), 0.9, "m")


@pytest.mark.parametrize("max_wer", [0.02, 0.05, 0.1])
def test_the_true_rate_of_what_is_kept_is_the_wanted_one_on_average(max_wer: float) -> None:
    rates, shares = [], []
    for seed in range(100):
        score = Calibration.fit(speech(1600, seed)).lowest_score(max_wer)
        new = speech(1600, 1000 + seed)
        kept = new.where(new.scores >= (np.inf if score is None else score))
        rates.append(kept.wer)
        shares.append(len(kept) / len(new))
    error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) <= max_wer + 2 * error
    assert np.mean(rates) >= 0.6 * max_wer
    assert np.mean(shares) > 0.05


def test_calibration_mends_scores_that_are_too_sure() -> None:
    part = speech(3000)
    too_sure = Observed(part.scores / 5, part.edits, part.words)
    before = Reliability.of(-np.expm1(too_sure.scores), too_sure)
    after = Reliability.of(cross_fitted(too_sure), too_sure)
    assert before.ece > 0.08
    assert after.ece < 0.02
    assert [one.utterances for one in after.bins] == [300] * 10
    assert sum(one.words for one in after.bins) == part.words.sum()


def test_no_utterance_expects_its_own_errors() -> None:
    assert cross_fitted(observed([(-1.0, 0, 5), (-2.0, 5, 5)])).tolist() == [1.0, 0.0]


def test_the_interval_holds_the_true_rate() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(60):
        part = Observed(np.zeros(200), rng.binomial(5, 0.1, 200).astype(float), np.full(200, 5.0))
        low, high = interval(part)
        inside.append(low <= 0.1 <= high)
    assert np.mean(inside) > 0.85


def test_of_harder_speech_less_is_kept_so_that_its_rate_is_the_wanted_one() -> None:
    rates: dict[str, list[float]] = {"of the calibration": [], "of both": []}
    for seed in range(50):
        fit = Calibration.fit(speech(1600, seed))
        hard = speech(1600, 1000 + seed, mean=0.3)
        least = fit.lowest_score(0.1)
        assert least is not None
        own = fit.lowest_score_of(hard.scores, hard.words, 0.1)
        for name, limit in (("of the calibration", least), ("of both", max(least, own))):
            rates[name].append(hard.where(hard.scores >= limit).wer)
    error = np.std(rates["of both"]) / np.sqrt(50)
    assert np.mean(rates["of both"]) <= 0.1 + 2 * error
    assert np.mean(rates["of the calibration"]) > 0.11


def test_if_nothing_can_be_kept_the_limit_is_above_all_scores() -> None:
    fit = Calibration.fit(observed([(-1.0, 5, 5), (0.0, 0, 5)]))
    assert fit.lowest_score_of(np.array([-1.0, -0.9]), np.array([2.0, 2.0]), 0.1) > -0.9
    assert fit.lowest_score_of(np.empty(0), np.empty(0), 0.1) < -1e300, "which leaves the calibration's"


def test_a_limit_above_all_of_the_calibration_is_said() -> None:
    easy = observed([(-0.5, 0, 5)] * 40 + [(-3.0, 5, 5)] * 10)
    rows = pa.table({SCORE: [-0.1, *[-3.0] * 20], TEXT: ["a"] * 21, EDITS: pa.nulls(21, pa.int32())})
    rows = rows.append_column("domain", pa.array(["d"] * 21).dictionary_encode())
    known = pa.table({SCORE: easy.scores, EDITS: easy.edits, WORDS: easy.words, TEXT: ["a"] * 50})
    known = known.append_column("domain", pa.array(["d"] * 50).dictionary_encode())
    choice = Choice(choose(easy, 0.2, "m").calibration, -0.2)
    told = notes({"d": (0.1, 1.0)}, choice.expected_wer(rows), calibration_by_domain(known, choice))
    assert told["calibration"].startswith("no utterance is as sure")
