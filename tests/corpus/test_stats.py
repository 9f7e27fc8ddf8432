from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from stt.corpus.labels import labels_table
from stt.corpus.manifest import read_manifest, write_manifest
from stt.corpus.stats import domain_stats, stats_table
from stt.data.vocabulary import fits_table, vocabulary_fits
from stt.text.normalize import get_normalizer


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


def test_an_empty_cell_is_no_speaker(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("audio,text,duration,domain,speaker\na.wav,x,1,a,\nb.wav,x,1,a,ann\nc.wav,x,1,b,\n")
    stats = domain_stats(read_manifest(tmp_path / "m.csv"))
    assert {domain: one.speakers for domain, one in stats.items()} == {"a": 1, "b": 0}


def test_names_are_printed_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a title is as wide as its table at most: a long path would be folded
    path = Path("m[bold].csv")
    path.write_text("audio,text,duration,domain,labelled_by\na.wav,[x],1,[noise],[me]\n")
    manifest = read_manifest(path)
    fits = vocabulary_fits(manifest, get_normalizer("plain-1"), [4], [2], 0.01)
    console = Console(width=1_000, record=True, file=(tmp_path / "out").open("w"))
    for table in (stats_table(manifest), labels_table(manifest), fits_table(fits)):
        console.print(table)
    text = console.export_text()
    assert text.count("[noise]") == 3
    assert "m[bold].csv" in text
    assert "[me]" in text
    assert "alphabet: '[]x'" in text
