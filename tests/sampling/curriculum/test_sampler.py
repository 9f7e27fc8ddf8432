from dataclasses import replace

import numpy as np
import pytest

from stt.errors import InputError
from stt.sampling import CurriculumSampler, UniformSampler, Utterances
from tests.sampling.corpora import corpus, make_observations


def start(utterances: Utterances, target: float = 0.1) -> CurriculumSampler:
    sampler = CurriculumSampler(target)
    sampler.start(utterances, seed=0)
    return sampler


def trained(utterances: Utterances, windows: int = 12) -> CurriculumSampler:
    """Return a curriculum that has found every tenth label wrong."""
    sampler = start(utterances)
    for i in range(windows):
        rows = np.unique(sampler.plan([30, 30], i).rows)
        wrong = rows % 10 == 0
        observations = make_observations(rows, np.where(wrong, 0.9, 0.1))
        observations.values[:, 1] = np.where(wrong, 5.0, 0.5)
        sampler.update(observations)
    return sampler


def test_the_curriculum_moves_towards_the_target() -> None:
    true_cers = np.linspace(0, 0.8, 400).astype(np.float32)  # constant, without learning
    sampler = start(corpus({"d": 400}), 0.36)
    observed = []
    for i in range(40):
        sample = sampler.plan([100], i)
        rows, first = np.unique(sample.rows, return_index=True)
        logged = sampler.update(make_observations(rows, true_cers[rows]).with_weights(sample.weights[first]))
        observed.append(logged["curriculum/observed_cer/d"])
    assert np.mean(observed[10:]) == pytest.approx(0.36, abs=0.01)
    assert logged["curriculum/seen_share/d"] > 0.8
    assert logged["curriculum/target_cer/d"] == 0.36
    assert logged["curriculum/beta/d"] > 0
    assert logged["curriculum/effective_utterances/d"] >= 319


def test_the_last_part_of_the_training_is_uniform_and_changes_no_control() -> None:
    sampler = start(corpus({"d": 400}), 0.36)
    true_cers = np.linspace(0, 0.1, 400).astype(np.float32)  # far too easy
    for i in range(30):
        rows = sampler.plan([100], i, progress=i / 60).rows
        logged = sampler.update(make_observations(rows, true_cers[rows]))
    assert logged["curriculum/beta/d"] < 0
    assert sampler.strengths(0.3) > 0.3
    before = sampler.curriculum.controllers[0].strength
    counts = np.zeros(400)
    for i in range(45, 61):
        rows = sampler.plan([100], i, progress=i / 60).rows
        counts[rows] += 1
        assert sampler.strengths(0.3) == pytest.approx(0.3)
        logged = sampler.update(make_observations(rows, true_cers[rows]))
    assert (logged["curriculum/beta/d"], logged["curriculum/released/d"]) == (0, 1)
    assert sampler.curriculum.controllers[0].strength == before
    assert counts.max() - counts.min() <= 3


def test_the_state_of_another_sampler_is_refused() -> None:
    other = UniformSampler()
    other.start(corpus({"d": 40}), seed=0)
    with pytest.raises(InputError, match=r"resume with --data\.sampler UniformSampler"):
        start(corpus({"d": 40})).load_state_dict(other.state_dict())


def test_an_augmentation_that_is_switched_off_stays_off() -> None:
    sampler = start(corpus({"d": 400}), 0.36)
    for i in range(30):
        rows = sampler.plan([100], i).rows
        sampler.update(make_observations(rows, np.full(len(rows), 0.01)))
    assert sampler.strengths(0.0) == 0 < sampler.strengths(0.1)


def test_all_utterances_are_sampled_without_feedback() -> None:
    sampler = start(corpus({"d": 300}))
    rows = np.concatenate([sampler.plan([100], i).rows for i in range(18)])
    assert np.bincount(rows, minlength=300).min() >= 4


def test_label_errors_are_quarantined_and_their_hypotheses_kept() -> None:
    sampler = trained(corpus({"a": 100, "b": 100}))
    label_errors = np.flatnonzero(sampler.curriculum.label_errors)
    assert len(label_errors) >= 15
    assert (label_errors % 10 == 0).all()
    assert sampler.hypotheses == {int(row): f"text {row}" for row in label_errors}


def test_shared_utterances_of_another_manifest_keep_their_entries(caplog: pytest.LogCaptureFixture) -> None:
    old = trained(corpus({"a": 100, "b": 100}))
    # Domain b has lost half of its rows, c is new, and the rows of a come last.
    sampler = start(corpus({"b": 50, "c": 40, "a": 100}), 0.2)
    sampler.load_state_dict(old.state_dict())
    assert "150 utterances are known, 40 are new" in caplog.text
    assert "50 of the ledger are missing" in caplog.text
    new, old_ledger = sampler.curriculum.ledger, old.curriculum.ledger
    np.testing.assert_array_equal(new.count[90:], old_ledger.count[:100])
    np.testing.assert_array_equal(new.count[:50], old_ledger.count[100:150])
    assert not new.count[50:90].any()
    np.testing.assert_array_equal(sampler.curriculum.label_errors[90:], old.curriculum.label_errors[:100])
    assert sampler.hypotheses.keys() == set(np.flatnonzero(sampler.curriculum.label_errors).tolist())
    assert [controller.target for controller in sampler.curriculum.controllers] == [0.2] * 3
    rows = sampler.plan([30, 30, 30], 12).rows
    assert np.bincount(sampler.utterances.domain[rows]).tolist() == [30, 30, 30]


def test_a_corrected_text_resets_its_label_error_score_but_not_its_difficulty(caplog: pytest.LogCaptureFixture) -> None:
    old = trained(corpus({"a": 100, "b": 100}))
    label_errors = np.flatnonzero(old.curriculum.label_errors)
    corrected = corpus({"a": 100, "b": 100})
    corrected.texts[label_errors[:3]] = 1
    shorter = replace(
        corrected,
        **{name: getattr(corrected, name)[:150] for name in ("domain", "durations", "difficulty", "keys", "texts")},
    )
    shorter = replace(shorter, rows_by_domain=[np.arange(100), np.arange(100, 150)])
    for utterances in (corrected, shorter):  # the same rows, and fewer
        sampler = start(utterances)
        sampler.load_state_dict(old.state_dict())
        assert "3 texts were corrected" in caplog.text
        caplog.clear()
        new, old_ledger = sampler.curriculum.ledger, old.curriculum.ledger
        assert not new.label_observations[label_errors[:3]].any()
        assert not new.label_score[label_errors[:3]].any()
        np.testing.assert_array_equal(
            new.label_observations[label_errors[3:5]], old_ledger.label_observations[label_errors[3:5]]
        )
        np.testing.assert_array_equal(new.normalized_cer[:150], old_ledger.normalized_cer[:150])
        np.testing.assert_array_equal(new.count[:150], old_ledger.count[:150])
        expected = [row for row in label_errors[3:].tolist() if row < len(utterances)]
        assert np.flatnonzero(sampler.curriculum.label_errors).tolist() == expected
        assert sorted(sampler.hypotheses) == expected


def test_nothing_is_kept_for_a_manifest_without_shared_utterances(caplog: pytest.LogCaptureFixture) -> None:
    state = trained(corpus({"a": 60, "b": 60})).state_dict()
    other = start(corpus({"a": 60, "b": 60}, key=1))
    other.load_state_dict(state)
    assert "0 utterances are known, 120 are new" in caplog.text
    assert not other.curriculum.ledger.count.any()
    assert not other.curriculum.label_errors.any()


def test_the_state_of_another_kind_of_sampler_is_not_inherited() -> None:
    sampler = start(corpus({"a": 60}))
    sampler.inherit({"passes": [3], "taken": [5]})
    assert not sampler.curriculum.ledger.count.any()


def test_an_inherited_ledger_brings_no_seed() -> None:
    parent, picks = trained(corpus({"a": 200, "b": 200})), []
    for seed in (1, 2):
        child = CurriculumSampler()
        child.start(corpus({"a": 200, "b": 200}), seed)
        child.inherit(parent.state_dict())
        assert child.curriculum.ledger.count.any()
        picks.append(child.plan([50, 50], 0).rows.tolist())
    assert sorted(picks[0]) != sorted(picks[1])


def test_a_manifest_of_label_errors_alone_is_sampled_from() -> None:
    utterances = corpus({"a": 60, "b": 60})
    parent = trained(utterances, 40)
    wrong = np.flatnonzero(parent.curriculum.label_errors)
    assert len(wrong) > 5
    few = corpus({"a": len(wrong)})
    child = CurriculumSampler()
    child.start(replace(few, keys=utterances.keys[wrong], texts=utterances.texts[wrong]), seed=0)
    child.inherit(parent.state_dict())
    assert len(child.plan([20], 0).rows) == 20
    assert 0 < child.curriculum.label_errors.mean() <= 0.5


def test_every_curriculum_metric_is_logged_for_every_domain() -> None:
    sampler = trained(corpus({"a": 100, "b": 100}))
    rows = np.unique(sampler.plan([30, 30], 12).rows)
    logged = sampler.update(make_observations(rows, np.full(len(rows), 0.25)))
    names = {name.removesuffix("/a") for name in logged if name.endswith("/a")}
    assert names == {name.removesuffix("/b") for name in logged if name.endswith("/b")}
    assert {name.removeprefix("curriculum/") for name in names} == {
        *("observed_cer", "target_cer", "set_point", "beta", "strength", "effective_utterances"),
        *("released", "strength_share", "seen_share", "passes", "label_errors"),
        *(f"ledger_0.{i}" for i in range(10)),
    }
    shares = [logged[f"curriculum/ledger_0.{i}/a"] for i in range(10)]
    assert sum(shares) == pytest.approx(1)


def test_invalid_targets_raise() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        start(corpus({"a": 10}), 1.0)
    sampler = CurriculumSampler(target_by_domain={"mars": 0.1})
    with pytest.raises(InputError, match=r"unknown domains \['mars'\]"):
        sampler.start(corpus({"a": 10}), 0)
