"""The page of rejected utterances."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from stt.cli.main import main
from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.reports.embed import PLAYBACK_RATE
from stt.reports.rejected import Rejected
from tests.corpus.exporters.conftest import RATE, noise, parts, write
from tests.curation.review.manifests import write_rejected

__all__ = ["parts"]  # a fixture


def page(manifest: Manifest, *options: str) -> str:
    out = manifest.path.parent / "review.html"
    with pytest.raises(SystemExit) as stopped:
        main(["corpus", "review", str(manifest.path), "--out", str(out), *options])
    assert stopped.value.code == 0
    return out.read_text()


def table(text: str, name: str) -> list[list[str]]:
    """Return the cells of a table as text."""
    body = re.search(rf'id="{name}">.*?<tbody>(.*?)</tbody>', text, re.DOTALL)
    assert body
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body[1], re.DOTALL)
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)] for row in rows
    ]


def players(text: str) -> dict[str, np.ndarray]:
    """Return the audio of each player by the utterance it names."""
    found = re.findall(r'<audio [^>]*aria-label="([^"]*)" src="data:audio/flac;base64,([^"]*)"', text)
    return {name: soundfile.read(io.BytesIO(base64.b64decode(data)))[0] for name, data in found}


def with_rule(manifest: Manifest, **columns: list[object]) -> Manifest:
    for name, values in columns.items():
        write_manifest(manifest.table.append_column(name, [values]), manifest.path, "plain-1")
        manifest = read_manifest(manifest.path)
    return manifest


def test_counts_and_hours_are_given_by_rule_and_domain(tmp_path: Path) -> None:
    text = page(write_rejected(tmp_path))
    assert table(text, "by-rule")[0] == ["cer", "3", "0.00", "0.2", "0.5", "0.3 to 0.6"]
    assert sorted(row[:2] for row in table(text, "by-rule")) == [
        *(["cer", "3"], ["confidence", "1"], ["duplicate", "1"], ["speech_rate", "1"])
    ]
    assert [[cell.split(" ")[0] for cell in row] for row in table(text, "by-domain")] == [
        ["calls", "3", "0.00", "2", "0", "0", "1"],
        ["radio", "3", "0.00", "1", "1", "1", "0"],
    ]
    assert "histogram of the figures of each rule" in text


def test_the_page_is_self_contained_and_marks_differences(tmp_path: Path) -> None:
    text = page(write_rejected(tmp_path))
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)
    shown = {row[-1]: row for row in table(text, "utterances")}
    assert shown["u1"][:5] == ["calls", "cer", "0.3 (0.2)", "30.00", "0.5"]
    assert re.search(r"one t<del[^>]*>w</del><ins[^>]*>o</ins>o", text)
    assert shown["u6"][2] == "– (–)"


def test_a_text_is_shown_as_it_is_not_as_a_page(tmp_path: Path) -> None:
    manifest = write_rejected(tmp_path)
    bold = [f"<b>{i}</b>" for i in range(len(manifest))]
    columns = manifest.table.column_names
    changed = manifest.table.set_column(columns.index("text"), "text", [bold]).set_column(
        columns.index("rule"), "rule", [["<i>rule</i>"] * len(manifest)]
    )
    write_manifest(changed, manifest.path, "plain-1")
    text = page(read_manifest(manifest.path))
    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;b&gt;2&lt;/b&gt;" in text


def test_players_have_windows_and_byte_spans(parts: Manifest) -> None:
    manifest = with_rule(parts, rule=["cer"] * len(parts))
    heard = players(page(manifest))
    assert set(heard) == {"w1", "w2", "b1", "b2", "s1"}
    for row in range(len(manifest)):
        expected = manifest.waveform(row, PLAYBACK_RATE)
        assert np.allclose(heard[str(manifest.value(row, "id"))], expected, atol=1e-4)


def test_only_the_beginning_of_a_long_utterance_is_embedded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(40, 0), RATE)
    row = {
        "id": "a",
        "audio": "a.wav",
        "text": "x",
        "duration": 40.0,
        "rule": "duration",
        "figure": 40.0,
        "limit": 20.0,
    }
    text = page(write(tmp_path, [row]))
    assert len(players(text)["a"]) == 30 * PLAYBACK_RATE
    assert "the first 30 s" in text


def test_the_worst_of_each_domain_come_from_all_of_its_rules() -> None:
    rows = [("a", "often", float(i), 0.0) for i in range(8)] + [("a", "rare", 5.0, 9.0), ("a", "rare", 8.0, 9.0)]
    rows += [("b", "often", -7.0, 0.0), ("b", "often", 3.0, 0.0), ("b", "odd", None, None)]
    names = ("domain", "rule", "figure", "limit")
    cells = [dict(zip(names, row, strict=True)) | {"audio": f"{i}.wav"} for i, row in enumerate(rows)]
    table = pa.Table.from_pylist(cells)
    domain = pa.chunked_array([table["domain"].combine_chunks().dictionary_encode()])
    rejected = Rejected.of(Manifest(table.set_column(0, "domain", domain), Path("m.parquet")))
    assert rejected.worst(3).tolist() == [7, 6, 8, 12, 10, 11]  # the farthest of `often` and `rare`, then `often` again
    assert rejected.worst(0).tolist() == []
    assert sorted(rejected.worst(100).tolist()) == list(range(len(rows)))


def test_audio_that_cannot_be_read_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_rejected(tmp_path)
    (tmp_path / "1.wav").unlink()
    text = page(manifest)
    assert {row[-1]: row[5] for row in table(text, "utterances")}["u2"] == "cannot be read"
    said = capsys.readouterr().out
    assert "audio that cannot be read: 1 utterances" in said
    assert "5 of 6 utterances with audio" in said


def test_without_players_the_counts_remain(tmp_path: Path) -> None:
    text = page(write_rejected(tmp_path), "--utterances", "0")
    assert len(table(text, "by-domain")) == 2
    assert players(text) == {}


def test_a_manifest_of_other_rows_is_refused(tones: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    out = ["--out", str(tmp_path / "x.html")]
    assert "no column rule" in fails(main, ["corpus", "review", str(tones), *out])
    manifest = write_rejected(tmp_path)
    columns = manifest.table.column_names
    rules = ["a", "a", None, "a", "", "a"]
    changed = manifest.table.set_column(columns.index("rule"), "rule", [rules])
    write_manifest(changed, tmp_path / "m.parquet", "plain-1")
    assert f"{tmp_path / 'm.parquet'}: row 3: no rule" in fails(
        main, ["corpus", "review", str(tmp_path / "m.parquet"), *out]
    )
    words = manifest.table.set_column(columns.index("limit"), "limit", [["high"] * 6])
    write_manifest(words, tmp_path / "w.parquet", "plain-1")
    said = fails(main, ["corpus", "review", str(tmp_path / "w.parquet"), *out])
    assert "column limit must contain numbers" in said
    assert not (tmp_path / "x.html").exists()


def test_figures_that_are_huge_or_nearly_equal_have_a_histogram_too(tmp_path: Path) -> None:
    manifest = write_rejected(tmp_path)
    for figures in ([1e308, -1e308, 0.0], [0.3, 0.1 + 0.2, 0.3]):
        index = manifest.table.column_names.index("figure")
        table = manifest.table.set_column(index, "figure", [[*figures, *figures]])
        write_manifest(table, tmp_path / "m.parquet", "plain-1")
        assert "histogram" in page(read_manifest(tmp_path / "m.parquet"))
