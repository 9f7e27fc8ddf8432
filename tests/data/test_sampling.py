from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.curriculum.observed import Observed
from stt.data.sampling import CurriculumSampling, UniformSampling


def manifest(folder: Path, sizes: dict[str, int], text: str = "a") -> Manifest:
    rows = [
        {"audio": f"{domain}{i}.wav", "text": text, "duration": 1.0, "domain": domain}
        for domain, size in sizes.items()
        for i in range(size)
    ]
    write_manifest(pa.Table.from_pylist(rows), folder / "m.parquet", "plain-1")
    return read_manifest(folder / "m.parquet")


def observed(rows: np.ndarray, cers: np.ndarray, doubt: float = 0.0) -> Observed:
    values = np.stack([cers, np.full(len(rows), 5 * doubt), np.full(len(rows), 5.0)], axis=1)
    return Observed(rows, values.astype(np.float32), {int(row): f"text {row}" for row in rows})


def started(sampling: UniformSampling, corpus: Manifest, counts: list[int]) -> UniformSampling:
    sampling.start(corpus, corpus.rows_by_domain(), counts, seed=0)
    return sampling


@pytest.mark.parametrize("kind", [UniformSampling, CurriculumSampling])
def test_every_domain_gives_its_share_however_small_it_is(tmp_path: Path, kind: type[UniformSampling]) -> None:
    corpus = manifest(tmp_path, {"large": 500, "one": 1, "small": 7})
    sampling = started(kind(), corpus, [40, 40, 40])
    rows = sampling.draw(0)
    assert np.bincount(corpus.domain_index[rows]).tolist() == [40, 40, 40]
    np.testing.assert_array_equal(sampling.draw(0), rows)


def test_before_the_first_look_difficulty_is_the_manifests_or_the_speaking_rate(tmp_path: Path) -> None:
    rows = [
        {"audio": f"{domain}{i}.wav", "text": text, "duration": 1.0, "domain": domain, "cer": cer}
        for i, (domain, text, cer) in enumerate(
            [("known", "a", 0.1), ("known", "a", 0.3), ("some", "aaaa", 0.9), ("some", "a" * 16, None)]
        )
    ]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    sampling = started(CurriculumSampling(), read_manifest(tmp_path / "m.parquet"), [1, 1])
    assert isinstance(sampling, CurriculumSampling)
    assert sampling.curriculum.ledger.prior.tolist() == pytest.approx([0.5, 1.5, 2 / 3, 4 / 3], rel=1e-3)


def test_the_curriculum_moves_to_what_is_near_the_target(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, {"d": 400})
    own = np.linspace(0, 0.8, 400).astype(np.float32)  # no learning: each row has the CER it has
    sampling = started(CurriculumSampling(0.36), corpus, [100])
    for i in range(25):
        rows = np.unique(sampling.draw(i))
        logged = sampling.close_round(i, observed(rows, own[rows]))
    assert logged["curriculum/observed_cer/d"] == pytest.approx(0.36, abs=0.04)
    assert logged["curriculum/seen_share/d"] > 0.8
    assert logged["curriculum/target_cer/d"] == 0.36
    assert logged["curriculum/beta/d"] > 0
    assert logged["curriculum/effective_utterances/d"] >= 319


def test_the_state_survives_a_checkpoint(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, {"a": 60, "b": 60})
    sampling = started(CurriculumSampling(), corpus, [20, 20])
    rng = np.random.default_rng(0)
    for i in range(5):
        rows = np.unique(sampling.draw(i))
        sampling.close_round(i, observed(rows, rng.random(len(rows)), doubt=0.4))
    torch.save(sampling.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    copy = started(CurriculumSampling(), corpus, [20, 20])
    copy.load_state_dict(state)
    np.testing.assert_array_equal(copy.draw(5), sampling.draw(5))
    assert copy.strengths(0.3) == sampling.strengths(0.3)
    assert copy.close_round(5, observed(rows, np.zeros(len(rows)))) == sampling.close_round(
        5, observed(rows, np.zeros(len(rows)))
    )


def learned(corpus: Manifest, rounds: int = 12) -> CurriculumSampling:
    """A curriculum that found every tenth label wrong."""
    sampling = started(CurriculumSampling(), corpus, [30, 30])
    assert isinstance(sampling, CurriculumSampling)
    for i in range(rounds):
        rows = np.unique(sampling.draw(i))
        wrong = rows % 10 == 0
        part = observed(rows, np.where(wrong, 0.9, 0.1))
        part.values[:, 1] = np.where(wrong, 5.0, 0.5)
        sampling.close_round(i, part)
    return sampling


def test_wrong_labels_are_set_aside_and_their_hypotheses_kept(tmp_path: Path) -> None:
    sampling = learned(manifest(tmp_path, {"a": 100, "b": 100}))
    suspects = np.flatnonzero(sampling.curriculum.suspects)
    assert len(suspects) >= 15
    assert (suspects % 10 == 0).all()
    assert sampling.hypotheses == {int(row): f"text {row}" for row in suspects}


def test_of_another_manifest_what_is_shared_is_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = learned(manifest(tmp_path, {"a": 100, "b": 100}))
    state = old.state_dict()
    # Domain b has lost half of its rows, c is new, and the rows of a have moved behind the others.
    corpus = manifest(tmp_path, {"b": 50, "c": 40, "a": 100})
    sampling = started(CurriculumSampling(0.2), corpus, [30, 30, 30])
    assert isinstance(sampling, CurriculumSampling)
    sampling.load_state_dict(state)
    assert "150 utterances are known, 40 are new" in caplog.text
    assert "50 of the ledger's are gone" in caplog.text
    new, was = sampling.curriculum.ledger, old.curriculum.ledger
    np.testing.assert_array_equal(new.count[90:], was.count[:100])
    np.testing.assert_array_equal(new.count[:50], was.count[100:150])
    assert not new.count[50:90].any()
    np.testing.assert_array_equal(sampling.curriculum.suspects[90:], old.curriculum.suspects[:100])
    assert sampling.hypotheses.keys() == set(np.flatnonzero(sampling.curriculum.suspects).tolist())
    assert [controller.target for controller in sampling.curriculum.controllers] == [0.2] * 3
    # Observations of the open round: rows 5 of a, 120 of b, which is still there, and 170, which is gone.
    restored = sampling.restored(observed(np.array([5, 120, 170]), np.array([0.1, 0.2, 0.3])))
    assert restored.rows.tolist() == [95, 20]
    np.testing.assert_allclose(restored.cers, [0.1, 0.2], rtol=1e-6)
    assert restored.hypotheses == {95: "text 5", 20: "text 120"}
    assert np.bincount(corpus.domain_index[sampling.draw(12)]).tolist() == [30, 30, 30]


def test_of_a_manifest_that_shares_nothing_nothing_is_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = learned(manifest(tmp_path, {"a": 60, "b": 60})).state_dict()
    other = started(CurriculumSampling(), manifest(tmp_path, {"a": 60, "b": 60}, text="b"), [20, 20])
    assert isinstance(other, CurriculumSampling)
    other.load_state_dict(state)
    assert "0 utterances are known, 120 are new" in caplog.text
    assert not other.curriculum.ledger.count.any()
    assert not other.curriculum.suspects.any()


def test_every_metric_of_the_curriculum_is_logged_for_every_domain(tmp_path: Path) -> None:
    sampling = learned(manifest(tmp_path, {"a": 100, "b": 100}))
    rows = np.unique(sampling.draw(12))
    logged = sampling.close_round(12, observed(rows, np.full(len(rows), 0.25)))
    names = {name.removesuffix("/a") for name in logged if name.endswith("/a")}
    assert names == {name.removesuffix("/b") for name in logged if name.endswith("/b")}
    assert {name.removeprefix("curriculum/") for name in names} == {
        *("observed_cer", "target_cer", "set_point", "beta", "strength", "effective_utterances"),
        *("seen_share", "passes", "suspects"),
        *(f"ledger_0.{i}" for i in range(10)),
    }
    shares = [logged[f"curriculum/ledger_0.{i}/a"] for i in range(10)]
    assert sum(shares) == pytest.approx(1)


def test_a_round_left_open_by_another_number_of_ranks_is_closed_as_it_was_drawn(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, {"a": 100, "b": 100})
    old = learned(corpus, rounds=3)
    rows = np.unique(old.draw(3))[:40]
    state = old.state_dict()
    sampling = started(CurriculumSampling(), corpus, [60, 60])
    assert isinstance(sampling, CurriculumSampling)
    sampling.load_state_dict(state)
    sampling.close_left_round(observed(rows, np.full(len(rows), 0.3)))
    assert int(sampling.curriculum.ledger.count.sum()) == int(old.curriculum.ledger.count.sum()) + len(rows)
    assert np.bincount(corpus.domain_index[sampling.draw(4)]).tolist() == [60, 60]


def test_uniform_sampling_forgets_observations_of_rows_that_are_gone(tmp_path: Path) -> None:
    sampling = started(UniformSampling(), manifest(tmp_path, {"a": 10}), [5])
    assert sampling.restored(observed(np.array([3, 12]), np.zeros(2))).rows.tolist() == [3]
    assert sampling.restored(Observed.nothing()).rows.tolist() == []
