from pathlib import Path

import pyarrow as pa
import pytest

from stt.corpus.manifest import read_manifest, write_manifest
from stt.corpus.split import split_manifest
from stt.errors import InputError


def manifest(folder: Path, count: int = 600, speakers: int = 0) -> Path:
    rows = [
        {
            "audio": f"{i}.wav",
            "text": f"text {i // 2}",
            "duration": 1.0,
            "domain": "ab"[i % 2],
            "speaker": f"s{i % speakers}" if speakers else None,
        }
        for i in range(count)
    ]
    write_manifest(pa.Table.from_pylist(rows), folder / "m.parquet", "plain-1")
    return folder / "m.parquet"


@pytest.mark.parametrize(("speakers", "column"), [(0, "text"), (60, "speaker")])
def test_no_speaker_or_sentence_is_in_two_splits_and_no_row_is_lost(tmp_path: Path, speakers: int, column: str) -> None:
    paths = split_manifest(read_manifest(manifest(tmp_path, speakers=speakers)), 0.1)
    splits = {split: read_manifest(path) for split, path in paths.items()}
    groups = {split: set(part.table[column].to_pylist()) for split, part in splits.items()}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validate"]
    assert not groups["validate"] & groups["test"]
    assert sum(len(part) for part in splits.values()) == 600
    assert 0.03 < len(splits["test"]) / 600 < 0.2
    assert splits["test"].normalizer == "plain-1"


def test_added_rows_do_not_move_existing_ones(tmp_path: Path) -> None:
    few = read_manifest(split_manifest(read_manifest(manifest(tmp_path, 400)), 0.1)["test"])
    before = set(few.table["text"].to_pylist())
    more = read_manifest(split_manifest(read_manifest(manifest(tmp_path, 800)), 0.1)["test"])
    assert before <= set(more.table["text"].to_pylist())


@pytest.mark.parametrize("speakers", range(3, 12))
@pytest.mark.parametrize("apart", [True, False])
def test_few_speakers_of_a_domain_are_in_all_splits(
    tmp_path: Path, speakers: int, apart: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """By the hash alone, one in three domains of ten speakers would lack a split."""
    rows = [
        {
            "audio": f"{domain}{i}.wav",
            "text": "the same",
            "duration": 1.0,
            "domain": domain,
            "speaker": f"{domain if apart else ''}{i % speakers}",
        }
        for domain in "abc"
        for i in range(40)
    ]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    splits = [read_manifest(path) for path in split_manifest(read_manifest(tmp_path / "m.parquet"), 0.1).values()]
    assert [split.domains for split in splits] == [["a", "b", "c"]] * 3
    seen = [set(split.table["speaker"].to_pylist()) for split in splits]
    assert len(set.union(*seen)) == sum(map(len, seen)), "nobody is in two splits"
    assert sum(map(len, splits)) == 120
    if speakers == 3:
        assert "is taken for the" in caplog.text


def test_a_domain_of_too_few_speakers_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"domain a cannot be split into train, validate, test: it has 1 speakers"):
        split_manifest(read_manifest(manifest(tmp_path, speakers=2)), 0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.parquet"]
    with pytest.raises(InputError, match="share"):
        split_manifest(read_manifest(manifest(tmp_path)), 0.5)
