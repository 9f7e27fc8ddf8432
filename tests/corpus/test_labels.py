from pathlib import Path

import pyarrow as pa

from stt.corpus.labels import labelled_hours, labels_table
from stt.corpus.manifest import Manifest, read_manifest, write_manifest


def manifest(path: Path, labels: list[str | None] | None) -> Manifest:
    rows = [("a", 1800.0), ("a", 3600.0), ("b", 7200.0), ("b", 1800.0)]
    table = pa.Table.from_pylist(
        [{"audio": f"{i}.wav", "text": "x", "duration": s, "domain": d} for i, (d, s) in enumerate(rows)]
    )
    if labels:
        table = table.append_column("labelled_by", pa.array(labels, pa.string()))
    write_manifest(table, path, "plain-1")
    return read_manifest(path)


def test_rows_that_do_not_say_who_labelled_them_are_a_humans(tmp_path: Path) -> None:
    found = labelled_hours(manifest(tmp_path / "m.parquet", ["machine", None, "", "machine"]))
    assert found == {"a": {"human": 1.0, "machine": 0.5}, "b": {"human": 2.0, "machine": 0.5}}


def test_the_table_has_hours_shares_and_a_sum(tmp_path: Path) -> None:
    table = labels_table(manifest(tmp_path / "m.parquet", ["machine", None, "", "machine"]))
    assert table is not None
    cells = [list(column.cells) for column in table.columns]
    assert cells[0] == ["a", "b", "all"]
    assert cells[1] == ["1.00 (66.7 %)", "2.00 (80.0 %)", "3.00 (75.0 %)"]
    assert cells[2] == ["0.50 (33.3 %)", "0.50 (20.0 %)", "1.00 (25.0 %)"]


def test_a_manifest_without_the_column_says_nothing(tmp_path: Path) -> None:
    assert labels_table(manifest(tmp_path / "m.parquet", None)) is None
