from pathlib import Path

import numpy as np
from noisy_sentences import KINDS, SOURCE, found, spoil

from stt.corpus.manifest import read_manifest
from tests.benchmarks.manifests import write_sentences


def test_a_tenth_of_the_texts_is_wrong_in_equal_parts_and_the_rest_as_it_was(tmp_path: Path) -> None:
    source = read_manifest(write_sentences(tmp_path / f"{SOURCE}.train.parquet", 540))
    path, kinds = spoil(tmp_path)
    spoiled = read_manifest(path)
    changed = [spoiled.text(row) != source.text(row) for row in range(len(source))]
    assert changed == (kinds != "").tolist()
    assert {kind: int((kinds == kind).sum()) for kind in KINDS} == dict.fromkeys(KINDS, 18)


def test_what_is_found_is_counted_by_kind() -> None:
    kinds = np.array(["shuffled", "shuffled", "truncated", "off_by_one", "", ""])
    result = found(np.array([True, False, True, False, True, False]), kinds)
    assert (result["precision"], result["recall"]) == (2 / 3, 0.5)
    assert result["recall_by_kind"] == {"shuffled": 0.5, "truncated": 1.0, "off_by_one": 0.0}
