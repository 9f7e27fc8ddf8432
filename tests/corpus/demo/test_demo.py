from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from stt.corpus.demo.make import DOMAINS, NORMALIZER, make_demo
from stt.corpus.demo.sentences import KINDS, sentences
from stt.corpus.manifest import read_manifest
from stt.text.normalize import get_normalizer

pytest.importorskip("espeakng_loader", reason="the demo's speech synthesizer is not installed")


@pytest.mark.parametrize("kind", KINDS)
def test_sentences_are_varied_and_already_normalized(kind: str) -> None:
    rng = np.random.default_rng(0)
    generated = [KINDS[kind](rng) for _ in range(500)]
    assert len(set(generated)) > 400
    for text in generated:
        normalized = get_normalizer(NORMALIZER)(text)
        assert not normalized.rejected
        assert 3 <= len(normalized.text) <= 130


def test_no_sentence_is_repeated() -> None:
    used: set[str] = set()
    first = list(islice(sentences(np.random.default_rng(0), {"news": 1}, used), 300))
    second = list(islice(sentences(np.random.default_rng(0), {"news": 1}, used), 300))
    assert len(set(first + second)) == 600


def test_the_corpus_is_reproducible_and_its_splits_share_no_sentence(tmp_path: Path) -> None:
    sizes = {"train": 3, "validate": 2, "test": 2}
    corpora = [make_demo(tmp_path / name, seed=5, sizes=sizes) for name in ("a", "b")]
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("a", "b")
    ]
    different = [path for path in contents[0] if contents[0][path] != contents[1].get(path)]
    assert different == []
    manifests = {split: read_manifest(path) for split, path in corpora[0].items()}
    assert manifests["train"].domains == ["audiobooks", "calls", "narration", "radio", "youtube"]
    assert manifests["test"].domains == sorted(DOMAINS)
    texts = [manifest.text(row) for manifest in manifests.values() for row in range(len(manifest))]
    assert len(texts) == len(set(texts)) == 5 * 7 + 2
    assert all(0.5 < duration < 12 for manifest in manifests.values() for duration in manifest.durations)
