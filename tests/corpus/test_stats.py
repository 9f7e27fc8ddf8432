from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from stt.corpus.manifest import read_manifest, write_manifest
from stt.corpus.stats import domain_stats, stats_table


def test_statistics_are_computed_by_domain(tmp_path: Path) -> None:
    rows = [
        ("a b", 1.0, "calls", "x"),
        ("a bb ccc", 3.0, "calls", "y"),
        ("a", 2.0, "calls", "y"),
        ("привет", 90.0, "radio", None),
    ]
    table = pa.Table.from_pylist(
        [{"audio": "x.wav", "text": t, "duration": s, "domain": d, "speaker": who} for t, s, d, who in rows]
    )
    write_manifest(table, tmp_path / "m.parquet", "plain-1")
    manifest = read_manifest(tmp_path / "m.parquet")
    calls, radio = domain_stats(manifest).values()
    assert (calls.utterances, calls.speakers, calls.vocabulary) == (3, 2, 4)
    assert calls.characters_per_second == pytest.approx(12 / 6)
    assert (calls.shortest, calls.median, calls.longest, calls.characters) == (1.0, 2.0, 3.0, 3)
    assert (radio.hours, radio.speakers, radio.vocabulary) == (0.025, 0, 1)
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    console.print(stats_table(manifest))
    text = console.export_text()
    assert "1.0/2.0/3.0" in text
    assert "привет"[0] in text
    assert "…" not in text
