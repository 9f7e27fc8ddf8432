from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.data.sampling import CurriculumSampling, UniformSampling
from stt.errors import InputError


def manifest(folder: Path, sizes: dict[str, int], text: str = "a") -> Manifest:
    rows = [
        {"audio": f"{domain}{i}.wav", "text": text, "duration": 1.0, "domain": domain}
        for domain, size in sizes.items()
        for i in range(size)
    ]
    write_manifest(pa.Table.from_pylist(rows), folder / "m.parquet", "plain-1")
    return read_manifest(folder / "m.parquet")


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


def test_the_curriculum_moves_to_what_is_near_the_target(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, {"d": 400})
    own = np.linspace(0, 0.8, 400).astype(np.float32)  # no learning: each row has the CER it has
    sampling = started(CurriculumSampling(0.15), corpus, [100])
    for i in range(25):
        rows = np.unique(sampling.draw(i))
        logged = sampling.close_round(i, rows, own[rows])
    assert logged["curriculum/observed_cer/d"] == pytest.approx(0.15, abs=0.05)
    assert logged["curriculum/seen_share/d"] > 0.8
    assert logged["curriculum/target_cer/d"] == 0.15
    assert logged["curriculum/beta/d"] > 0
    assert logged["curriculum/effective_utterances/d"] >= 39


def test_the_state_survives_a_checkpoint_and_another_manifest_is_refused(tmp_path: Path) -> None:
    corpus = manifest(tmp_path, {"a": 60, "b": 60})
    sampling = started(CurriculumSampling(), corpus, [20, 20])
    rng = np.random.default_rng(0)
    for i in range(5):
        rows = np.unique(sampling.draw(i))
        sampling.close_round(i, rows, rng.random(len(rows)).astype(np.float32))
    torch.save(sampling.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    copy = started(CurriculumSampling(), corpus, [20, 20])
    copy.load_state_dict(state)
    np.testing.assert_array_equal(copy.draw(5), sampling.draw(5))
    assert copy.strengths(0.3) == sampling.strengths(0.3)
    other = started(CurriculumSampling(), manifest(tmp_path, {"a": 60, "b": 60}, text="b"), [20, 20])
    with pytest.raises(InputError, match="another training manifest"):
        other.load_state_dict(state)
