from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from stt.corpus import arrow_cache
from stt.corpus.manifest import read_manifest, read_manifests, write_manifest
from stt.errors import InputError

COUNT = 1000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(arrow_cache, "MIN_MAPPED_ROWS", 100)
    monkeypatch.setattr(arrow_cache, "CHUNK_ROWS", 300)
    return tmp_path / "cache" / "stt"


def table() -> pa.Table:
    domains = [f"d{i // 250}" for i in range(COUNT)]  # a chunk of the file does not contain the domains of the next
    return pa.table(
        {
            "audio": [f"{i}.wav" for i in range(COUNT)],
            "text": [f"text {i}" for i in range(COUNT)],
            "duration": np.linspace(1, 5, COUNT),
            "domain": domains,
            "accent": pa.array([None if i % 7 == 0 else f"a{i % 5}" for i in range(COUNT)]).dictionary_encode(),
            "votes": pa.array(range(COUNT), pa.int16()),
        }
    )


def test_a_memory_mapped_manifest_equals_one_in_memory(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(table(), path, "plain-1")
    (first, second), [copy] = (read_manifest(path) for _ in range(2)), cache.glob("*.arrow")
    monkeypatch.setattr(arrow_cache, "MIN_MAPPED_ROWS", COUNT + 1)
    plain = read_manifest(path)
    for manifest in (first, second):
        assert manifest.table.to_pylist() == plain.table.to_pylist()
        assert manifest.table.schema.equals(plain.table.schema)
        assert (manifest.fingerprint, manifest.normalizer) == (plain.fingerprint, "plain-1")
        assert manifest.domains == plain.domains
        np.testing.assert_array_equal(manifest.domain_index, plain.domain_index)
        np.testing.assert_array_equal(manifest.keys, plain.keys)
        assert (manifest.text(999), manifest.value(7, "domain")) == ("text 999", "d0")
    write_manifest(second.table, tmp_path / "n.parquet", "plain-1")
    assert read_manifest(tmp_path / "n.parquet").table.to_pylist() == plain.table.to_pylist()
    assert copy.stat().st_size > 0


def test_a_mapped_manifest_allocates_no_memory(tmp_path: Path) -> None:
    write_manifest(table(), tmp_path / "m.parquet", "plain-1")
    read_manifest(tmp_path / "m.parquet")
    before = pa.total_allocated_bytes()
    manifest = read_manifest(tmp_path / "m.parquet")
    assert pa.total_allocated_bytes() - before < 0.05 * manifest.table.nbytes


def test_a_changed_file_is_converted_again(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_manifest(table(), path, "plain-1")
    assert read_manifest(path).text(3) == "text 3"
    texts = pa.array([f"corrected {i}" for i in range(COUNT)])
    write_manifest(table().set_column(1, "text", texts), path, "plain-1")
    assert read_manifest(path).text(3) == "corrected 3"


@pytest.mark.parametrize("damage", [b"", b"nonsense"])
def test_a_corrupt_copy_is_recreated(tmp_path: Path, cache: Path, damage: bytes) -> None:
    write_manifest(table(), tmp_path / "m.parquet", "plain-1")
    expected = read_manifest(tmp_path / "m.parquet").table.to_pylist()
    [copy] = cache.glob("*.arrow")
    copy.write_bytes(damage)
    assert read_manifest(tmp_path / "m.parquet").table.to_pylist() == expected


def test_a_bad_row_in_a_later_chunk_is_named_and_nothing_is_cached(tmp_path: Path, cache: Path) -> None:
    durations = np.linspace(1, 5, COUNT)
    durations[777] = -1
    bad = table().set_column(2, "duration", pa.array(durations))
    pyarrow.parquet.write_table(bad, tmp_path / "m.parquet")
    with pytest.raises(InputError, match=r"m\.parquet: duration that is not a positive number of seconds in row 778"):
        read_manifest(tmp_path / "m.parquet")
    assert not list(cache.glob("*.arrow"))


def test_a_mapped_manifest_without_ids_and_a_short_one_are_read_together(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(table(), tmp_path / "m.parquet")
    short = table().slice(0, 10).append_column("votes2", pa.array(range(10)))
    pyarrow.parquet.write_table(short, tmp_path / "s.parquet")
    manifest = read_manifests([tmp_path / "m.parquet", tmp_path / "s.parquet"])
    assert len(set(manifest.keys.tolist())) == COUNT + 10
    assert manifest.domains == ["d0", "d1", "d2", "d3"]
    assert manifest.value(COUNT + 9, "votes2") == 9
    assert manifest.where(COUNT) == f"{tmp_path / 's.parquet'}: row 1"
