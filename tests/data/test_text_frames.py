import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece

from stt.corpus.manifest import read_manifest, write_manifest
from stt.data import text_frames as counting
from stt.data.dataset import UtteranceDataset
from stt.data.text_frames import UNUSABLE, FrameCounter, text_frames
from stt.errors import InputError
from stt.models.ctc import frames_needed
from stt.text.tokenizer import Tokenizer, train_character_tokenizer, train_tokenizer
from tests.conftest import StandIn

rng = np.random.default_rng(0)
# Few letters, so that adjacent tokens are often equal, across word boundaries too.
WORDS = ["".join(rng.choice(list("aab"), size=rng.integers(1, 6))) for _ in range(40)]
TEXTS = [" ".join(rng.choice(WORDS, size=rng.integers(1, 7))) for _ in range(600)]
ODD = ["", " ", "a  b", " a", "b ", "xyz", "ab xyz", "a\tb", "\u2581", "a \u2581a", "a", "b a", "a a a", "a\u00a0b"]


def trained(**options: object) -> Tokenizer:
    """Train a tokenizer with other options than the project's."""
    import io

    model = io.BytesIO()
    given = {"vocab_size": 30, "model_type": "unigram", "unk_id": 0, "bos_id": -1, "eos_id": -1, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, hard_vocab_limit=False, **{**given, **options}
    )
    return Tokenizer(model.getvalue())


def slowly(text: str, tokenizer: Tokenizer) -> int:
    try:
        return frames_needed(tokenizer.encode(text)) if text else UNUSABLE
    except InputError:
        return UNUSABLE


@pytest.mark.parametrize(
    "make",
    [
        lambda: train_tokenizer(TEXTS, 12),
        lambda: train_tokenizer(TEXTS, 40),
        lambda: train_character_tokenizer(TEXTS),
        lambda: trained(),
        lambda: trained(split_by_whitespace=False, vocab_size=60),
        lambda: trained(add_dummy_prefix=False),
        lambda: trained(treat_whitespace_as_suffix=True),
        lambda: trained(remove_extra_whitespaces=False),
        lambda: trained(byte_fallback=True, vocab_size=300),
    ],
)
def test_counting_many_texts_at_once_equals_counting_them_one_by_one(make) -> None:  # type: ignore[no-untyped-def]
    tokenizer = make()
    texts = [*TEXTS, *ODD, *("".join(letters) for letters in itertools.product("ab ", repeat=5))]
    expected = [slowly(text, tokenizer) for text in texts]
    array = pa.array(texts, pa.large_string())
    count = FrameCounter(tokenizer)
    assert count(array.slice(7, 100)).tolist() == expected[7:107]  # while few words are cached
    assert count(array).tolist() == expected
    assert count(array[:0]).tolist() == []


def dataset(folder: Path, tokenizer_file: Path, texts: list[str], normalizer: str | None) -> UtteranceDataset:
    rows = [{"audio": f"{i}.wav", "text": text, "duration": 1.0, "domain": "d"} for i, text in enumerate(texts)]
    if normalizer:
        write_manifest(pa.Table.from_pylist(rows), folder / "m.parquet", normalizer)
        return UtteranceDataset(read_manifest(folder / "m.parquet"), StandIn(tokenizer_file), training=True)
    (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return UtteranceDataset(read_manifest(folder / "m.jsonl"), StandIn(tokenizer_file), training=True)


@pytest.mark.parametrize("normalizer", [None, "plain-1", "russian-1"])
def test_counts_match_the_targets_of_the_dataset(tmp_path: Path, tokenizer_file: Path, normalizer: str | None) -> None:
    texts = ["abc de", "", "Ab, c", "ab %", "a  b", "xyz", "?", "eee e", "a 5", "bb"]
    data = dataset(tmp_path, tokenizer_file, texts, normalizer)
    expected = []
    for row in range(len(texts)):
        try:
            expected.append(frames_needed(data.target(row)[1]))
        except InputError:
            expected.append(UNUSABLE)
    assert text_frames(data).tolist() == expected


def test_counts_are_cached_by_texts_and_tokenizer(
    tmp_path: Path, tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(counting, "MIN_CACHED_TEXTS", 1)
    data = dataset(tmp_path, tokenizer_file, ["abc", "dd"], "plain-1")
    first = text_frames(data)
    [cached] = (tmp_path / "cache" / "stt").glob("*.npz")
    monkeypatch.setattr(counting, "_count", lambda dataset: pytest.fail("counted again"))
    np.testing.assert_array_equal(text_frames(data), first)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(counting, "MIN_CACHED_TEXTS", 1)
    cached.write_bytes(cached.read_bytes()[:-40] + bytes(40))
    np.testing.assert_array_equal(text_frames(data), first)
    assert text_frames(dataset(tmp_path, tokenizer_file, ["abc", "d"], "plain-1")).tolist() != first.tolist()
    (tmp_path / "other.model").write_bytes(train_tokenizer(["abcde", "de ab"], 7).model)
    text_frames(dataset(tmp_path, tmp_path / "other.model", ["abc", "dd"], "plain-1"))
    text_frames(dataset(tmp_path, tokenizer_file, ["abc", "dd"], None))  # not normalized yet
    assert len(list((tmp_path / "cache" / "stt").glob("*.npz"))) == 4
