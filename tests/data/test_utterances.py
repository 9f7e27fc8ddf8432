from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.data.utterances import utterances_of
from stt.sampling import CurriculumSampler


def manifest(folder: Path, rows: list[dict[str, object]]) -> Manifest:
    write_manifest(pa.Table.from_pylist(rows), folder / "m.parquet", "plain-1")
    return read_manifest(folder / "m.parquet")


def test_initial_difficulty_is_the_manifest_cer_or_the_speaking_rate(tmp_path: Path) -> None:
    rows = [
        {"audio": f"{domain}{i}.wav", "text": text, "duration": 1.0, "domain": domain, "cer": cer}
        for i, (domain, text, cer) in enumerate(
            [("known", "a", 0.1), ("known", "a", 0.3), ("some", "aaaa", 0.9), ("some", "a" * 16, None)]
        )
    ]
    sampler = CurriculumSampler()
    sampler.start(utterances_of(manifest(tmp_path, rows)), seed=0)
    assert sampler.curriculum.ledger.prior.tolist() == pytest.approx([0.5, 1.5, 2 / 3, 4 / 3], rel=1e-3)


def test_infeasible_rows_belong_to_no_domain(tmp_path: Path) -> None:
    rows = [{"audio": f"{i}.wav", "text": "a", "duration": 1.0, "domain": "ab"[i % 2]} for i in range(6)]
    corpus = manifest(tmp_path, rows)
    some = utterances_of(corpus, np.array([True, True, False, True, True, True]))
    assert [part.tolist() for part in some.rows_by_domain] == [[0, 4], [1, 3, 5]]
    assert some.fingerprint != utterances_of(corpus).fingerprint
    assert utterances_of(corpus).fingerprint == utterances_of(read_manifest(corpus.path)).fingerprint
