from pathlib import Path

import pyarrow as pa

from stt.corpus.addresses import addresses
from stt.corpus.manifest import read_manifests, write_manifest


def test_parts_of_a_manifest_address_what_the_whole_does(tmp_path: Path) -> None:
    for name in ("a", "b"):
        rows = [
            {"audio": f"{i}.wav", "text": "x", "duration": 1.0, "domain": "d", "id": f"{name}{i}"} for i in range(3)
        ]
        write_manifest(pa.Table.from_pylist(rows), tmp_path / name / "m.parquet", "plain-1")
    whole = read_manifests([tmp_path / "a" / "m.parquet", tmp_path / "b" / "m.parquet"])
    expected = addresses(whole, tmp_path).to_pylist()
    assert expected == [f"{name}/{i}.wav" for name in ("a", "b") for i in range(3)]
    for start in range(6):
        for stop in range(start + 1, 7):
            assert addresses(whole.slice(start, stop), tmp_path).to_pylist() == expected[start:stop]
