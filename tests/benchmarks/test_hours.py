from pathlib import Path

import pytest
from hours import excerpt

from stt.corpus.manifest import read_manifest
from tests.benchmarks.manifests import write_sentences


@pytest.mark.parametrize(("minutes", "utterances"), [(1, 12), (60, 100)])
def test_an_excerpt_is_as_long_as_asked_or_everything(tmp_path: Path, minutes: int, utterances: int) -> None:
    source = write_sentences(tmp_path / "all.parquet", 100)
    assert len(read_manifest(excerpt(source, minutes, 0))) == utterances


def test_an_excerpt_depends_on_the_seed_alone(tmp_path: Path) -> None:
    source = write_sentences(tmp_path / "all.parquet", 100)
    first, again, other = (read_manifest(excerpt(source, 1, seed)).table["id"].to_pylist() for seed in (0, 0, 1))
    assert first == again != other
