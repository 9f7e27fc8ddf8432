from dataclasses import replace

import numpy as np
import pytest

from stt.errors import InputError
from stt.sampling import CurriculumSampler, Utterances
from tests.sampling.corpora import corpus, observed


def started(utterances: Utterances, target: float = 0.1) -> CurriculumSampler:
    sampler = CurriculumSampler(target)
    sampler.start(utterances, seed=0)
    return sampler


def learned(utterances: Utterances, windows: int = 12) -> CurriculumSampler:
    """A curriculum that found every tenth label wrong."""
    sampler = started(utterances)
    for i in range(windows):
        rows = np.unique(sampler.plan([30, 30], i).rows)
        wrong = rows % 10 == 0
        part = observed(rows, np.where(wrong, 0.9, 0.1))
        part.values[:, 1] = np.where(wrong, 5.0, 0.5)
        sampler.update(part)
    return sampler


def test_the_curriculum_moves_to_what_is_near_the_target() -> None:
    own = np.linspace(0, 0.8, 400).astype(np.float32)  # no learning: each row has the CER it has
    sampler = started(corpus({"d": 400}), 0.36)
    for i in range(25):
        sample = sampler.plan([100], i)
        rows, first = np.unique(sample.rows, return_index=True)
        logged = sampler.update(observed(rows, own[rows]).weighted(sample.weights[first]))
    assert logged["curriculum/observed_cer/d"] == pytest.approx(0.36, abs=0.04)
    assert logged["curriculum/seen_share/d"] > 0.8
    assert logged["curriculum/target_cer/d"] == 0.36
    assert logged["curriculum/beta/d"] > 0
    assert logged["curriculum/effective_utterances/d"] >= 319


def test_without_feedback_all_utterances_come_in_turn_all_the_same() -> None:
    sampler = started(corpus({"d": 300}))
    rows = np.concatenate([sampler.plan([100], i).rows for i in range(18)])
    assert np.bincount(rows, minlength=300).min() >= 4


def test_wrong_labels_are_set_aside_and_their_hypotheses_kept() -> None:
    sampler = learned(corpus({"a": 100, "b": 100}))
    label_errors = np.flatnonzero(sampler.curriculum.label_errors)
    assert len(label_errors) >= 15
    assert (label_errors % 10 == 0).all()
    assert sampler.hypotheses == {int(row): f"text {row}" for row in label_errors}


def test_of_another_manifest_what_is_shared_is_known(caplog: pytest.LogCaptureFixture) -> None:
    old = learned(corpus({"a": 100, "b": 100}))
    # Domain b has lost half of its rows, c is new, and the rows of a have moved behind the others.
    sampler = started(corpus({"b": 50, "c": 40, "a": 100}), 0.2)
    sampler.load_state_dict(old.state_dict())
    assert "150 utterances are known, 40 are new" in caplog.text
    assert "50 of the ledger's are gone" in caplog.text
    new, was = sampler.curriculum.ledger, old.curriculum.ledger
    np.testing.assert_array_equal(new.count[90:], was.count[:100])
    np.testing.assert_array_equal(new.count[:50], was.count[100:150])
    assert not new.count[50:90].any()
    np.testing.assert_array_equal(sampler.curriculum.label_errors[90:], old.curriculum.label_errors[:100])
    assert sampler.hypotheses.keys() == set(np.flatnonzero(sampler.curriculum.label_errors).tolist())
    assert [controller.target for controller in sampler.curriculum.controllers] == [0.2] * 3
    rows = sampler.plan([30, 30, 30], 12).rows
    assert np.bincount(sampler.utterances.domain[rows]).tolist() == [30, 30, 30]


def test_a_mended_text_is_judged_anew_and_how_hard_its_audio_is_stays_known(caplog: pytest.LogCaptureFixture) -> None:
    old = learned(corpus({"a": 100, "b": 100}))
    label_errors = np.flatnonzero(old.curriculum.label_errors)
    mended = corpus({"a": 100, "b": 100})
    mended.texts[label_errors[:3]] = 1
    shorter = replace(
        mended, **{name: getattr(mended, name)[:150] for name in ("domain", "durations", "difficulty", "keys", "texts")}
    )
    shorter = replace(shorter, rows_by_domain=[np.arange(100), np.arange(100, 150)])
    for utterances in (mended, shorter):  # the same rows, and others too
        sampler = started(utterances)
        sampler.load_state_dict(old.state_dict())
        assert "3 texts were mended" in caplog.text
        caplog.clear()
        new, was = sampler.curriculum.ledger, old.curriculum.ledger
        assert not new.label_observations[label_errors[:3]].any()
        assert not new.label_score[label_errors[:3]].any()
        np.testing.assert_array_equal(
            new.label_observations[label_errors[3:5]], was.label_observations[label_errors[3:5]]
        )
        np.testing.assert_array_equal(new.quotient[:150], was.quotient[:150])
        np.testing.assert_array_equal(new.count[:150], was.count[:150])
        expected = [row for row in label_errors[3:].tolist() if row < len(utterances)]
        assert np.flatnonzero(sampler.curriculum.label_errors).tolist() == expected
        assert sorted(sampler.hypotheses) == expected


def test_of_a_manifest_that_shares_nothing_nothing_is_known(caplog: pytest.LogCaptureFixture) -> None:
    state = learned(corpus({"a": 60, "b": 60})).state_dict()
    other = started(corpus({"a": 60, "b": 60}, key=1))
    other.load_state_dict(state)
    assert "0 utterances are known, 120 are new" in caplog.text
    assert not other.curriculum.ledger.count.any()
    assert not other.curriculum.label_errors.any()


def test_what_another_sampler_knew_is_not_inherited() -> None:
    sampler = started(corpus({"a": 60}))
    sampler.inherit({"passes": [3], "taken": [5]})
    assert not sampler.curriculum.ledger.count.any()


def test_every_metric_of_the_curriculum_is_logged_for_every_domain() -> None:
    sampler = learned(corpus({"a": 100, "b": 100}))
    rows = np.unique(sampler.plan([30, 30], 12).rows)
    logged = sampler.update(observed(rows, np.full(len(rows), 0.25)))
    names = {name.removesuffix("/a") for name in logged if name.endswith("/a")}
    assert names == {name.removesuffix("/b") for name in logged if name.endswith("/b")}
    assert {name.removeprefix("curriculum/") for name in names} == {
        *("observed_cer", "target_cer", "set_point", "beta", "strength", "effective_utterances"),
        *("seen_share", "passes", "label_errors"),
        *(f"ledger_0.{i}" for i in range(10)),
    }
    shares = [logged[f"curriculum/ledger_0.{i}/a"] for i in range(10)]
    assert sum(shares) == pytest.approx(1)


def test_targets_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        started(corpus({"a": 10}), 1.0)
    sampler = CurriculumSampler(target_by_domain={"mars": 0.1})
    with pytest.raises(InputError, match=r"unknown domains \['mars'\]"):
        sampler.start(corpus({"a": 10}), 0)
