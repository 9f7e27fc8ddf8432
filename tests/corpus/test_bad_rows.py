import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.cli.main import main
from stt.corpus.ingest import ingest
from stt.corpus.manifest import read_manifest
from stt.corpus.row import Row
from stt.errors import InputError
from stt.text.normalize import get_normalizer
from tests.corpus.test_importers import RATE, run_import, sound, texts


@pytest.fixture
def bad_table(tmp_path: Path) -> Path:
    sound(tmp_path / "good.wav")
    (tmp_path / "broken.wav").write_bytes(b"RIFFnothing")
    (tmp_path / "song.mp3").write_bytes(b"\x00\x00\x00\x20ftypM4A " + bytes(3000))
    rows = [
        ("audio", "text", "domain", "duration"),
        ("good.wav", "fine", "d", "1.0"),
        ("missing.wav", "x", "d", ""),
        ("broken.wav", "x", "d", ""),
        ("song.mp3", "x", "d", ""),
        ("good.wav", "...", "d", ""),
        ("good.wav", "x", "d", "9.0"),
        ("good.wav", "x", "d", "long"),
        ("good.wav", "fifty %", "d", ""),
        ("good.wav", "x", "", ""),
    ]
    with (tmp_path / "t.csv").open("w") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "t.csv"


def test_bad_rows_are_reported_by_kind_with_their_lines(bad_table: Path, fails: Callable[..., str]) -> None:
    out = bad_table.parent / "m.parquet"
    output = fails(main, ["corpus", "import", "table", str(bad_table), "--out", str(out), "--domain", "d"])
    assert "7 of 9 rows are bad" in output
    assert "unreadable audio: 3 rows (t.csv:3, t.csv:4, t.csv:5)" in output
    assert "empty text: 1 rows (t.csv:6)" in output
    assert "wrong duration: 1 rows (t.csv:7)" in output
    assert "bad line: 1 rows (t.csv:8)" in output
    assert "text with symbol %: 1 rows (t.csv:9)" in output
    assert not out.exists()


def test_bad_rows_can_be_skipped_and_are_listed(bad_table: Path) -> None:
    out = bad_table.parent / "m.parquet"
    assert texts(run_import("table", bad_table, out, "--skip-bad", "--domain", "d")) == ["fine", "x"]
    with out.with_suffix(".bad.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == 7
    assert "MP4/AAC" in next(row["reason"] for row in listed if row["where"] == "t.csv:5")


def test_a_bad_row_of_a_file_whose_name_is_not_utf_8_is_listed(tmp_path: Path) -> None:
    sound(tmp_path / "audio" / "good.wav")
    (tmp_path / "audio" / "good.txt").write_text("fine")
    sound(tmp_path / "audio" / "b.wav").rename(tmp_path / "audio" / os.fsdecode(b"b\xff.wav"))  # without a text
    out = tmp_path / "m.parquet"
    assert texts(run_import("folder", tmp_path / "audio", out, "--skip-bad")) == ["fine"]
    assert "b\\udcff.txt is missing" in out.with_suffix(".bad.csv").read_text()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["table", "t.csv", "--columns", "audio=file"], "no column 'file'"),
        (["table", "t.csv", "--columns", "txt=text"], "--columns cannot set txt"),
        (["table", "t.csv", "--domain", "{text.__class__}"], "domain template"),
        (["table", "t.csv", "--domain", "worst"], "the domain 'worst' must be renamed"),
        (["table", "t.csv", "--domain", "a/b"], "the domain 'a/b' must be renamed"),
        (["fsdd", ".", "--max-digits", "0"], "--max-digits in 1..1000"),
        (["table", "t.csv", "--columns", "nonsense"], "--columns must"),
        (["table", "t.csv", "--domain", "{planet}"], "domain template"),
        (["table", "none.csv"], "file not found"),
        (["table", "none.csv", "--hold-out", "0.5"], "the share to hold out must be between 0 and 0.4, not 0.5"),
        (["folder", "none"], "folder not found"),
        (["kaldi", "."], "must have"),
        (["fsdd", "."], "no recordings"),
        (["table", "t.csv", "--normalizer", "klingon"], "unknown normalizer"),
    ],
)
def test_invalid_arguments_raise_a_clear_error(
    bad_table: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str], args: list[str], message: str
) -> None:
    monkeypatch.chdir(bad_table.parent)
    assert message in fails(main, ["corpus", "import", *args, "--out", "m.parquet"])


@pytest.mark.parametrize(("kind", "audio"), [("nemo", "audio_filepath"), ("table", "audio")])
def test_values_that_are_no_texts_or_times_make_bad_rows(
    tmp_path: Path, fails: Callable[..., str], kind: str, audio: str
) -> None:
    sound(tmp_path / "1.wav")
    good = {audio: "1.wav", "text": "one", "domain": "d", "duration": 1.0, "offset": 0.0}
    inf = float("inf")
    changes = [{"text": None}, {"text": ["a"]}, {"text": True}, {"duration": inf}, {"duration": float("nan")}]
    changes += [{"offset": inf}, {"offset": float("nan")}, {"duration": 10**400}, {"text": "a" * 200_000}]
    changes += [{"duration": "1e999"}, {"byte_offset": 2**70, "byte_length": 9}, {"text": 7}]
    (tmp_path / "m.json").write_text("".join(json.dumps({**good, **change}) + "\n" for change in changes))
    said = fails(main, ["corpus", "import", kind, str(tmp_path / "m.json"), "--out", str(tmp_path / "m.parquet")])
    assert f"{len(changes) - 1} of {len(changes)} rows are bad" in said
    assert "bad line: 3 rows (m.json:1, m.json:2, m.json:3); first: no text" in said
    assert "wrong duration: 4 rows (m.json:4, m.json:5, m.json:8, m.json:10)" in said
    assert "invalid offset: 2 rows (m.json:6, m.json:7)" in said
    assert "long text: 1 rows (m.json:9)" in said
    assert texts(run_import(kind, tmp_path / "m.json", tmp_path / "m.parquet", "--skip-bad")) == ["7"]


def test_a_row_without_its_domain_is_bad_and_the_others_are_kept(tmp_path: Path) -> None:
    sound(tmp_path / "1.wav")
    (tmp_path / "m.json").write_text(
        '{"audio_filepath": "1.wav", "text": "a", "lang": "en"}\n{"audio_filepath": "1.wav", "text": "b"}'
    )
    manifest = run_import("nemo", tmp_path / "m.json", tmp_path / "m.parquet", "--domain", "{lang}", "--skip-bad")
    assert texts(manifest) == ["a"]
    assert (tmp_path / "m.bad.csv").read_text().count("no domain") == 1


def test_a_row_whose_domain_cannot_be_used_is_bad_and_the_others_are_kept(tmp_path: Path) -> None:
    sound(tmp_path / "1.wav")
    (tmp_path / "t.csv").write_text("audio,text,domain\n1.wav,a,radio/fm\n1.wav,b,radio\n1.wav,c,worst\n")
    manifest = run_import("table", tmp_path / "t.csv", tmp_path / "m.parquet", "--skip-bad")
    assert (texts(manifest), manifest.domains) == (["b"], ["radio"])
    listed = (tmp_path / "m.bad.csv").read_text()
    assert "t.csv:2,invalid domain,\"the domain 'radio/fm' must be renamed" in listed
    assert "t.csv:4,invalid domain" in listed


def test_a_cer_that_is_not_a_number_is_unknown(tmp_path: Path) -> None:
    sound(tmp_path / "1.wav")
    (tmp_path / "t.jsonl").write_text(
        "".join(f'{{"audio": "1.wav", "text": "a", "domain": "d", "cer": {cer}}}\n' for cer in ("NaN", "0.5", '"nan"'))
    )
    manifest = run_import("table", tmp_path / "t.jsonl", tmp_path / "m.parquet")
    assert manifest.table["cer"].to_pylist() == [None, 0.5, None]


def test_invisible_characters_do_not_split_words_and_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound(tmp_path / "1.wav")
    (tmp_path / "t.csv").write_text("audio,text,domain\n1.wav,при\u00adвет ми\u200bр\ufeff,d\n")
    assert texts(run_import("table", tmp_path / "t.csv", tmp_path / "m.parquet")) == ["привет мир"]
    assert "invisible character removed: 3 times" in capsys.readouterr().out


def test_an_import_spares_its_source(tmp_path: Path, fails: Callable[..., str]) -> None:
    sound(tmp_path / "1.wav")
    content = "audio,text,domain\n1.wav,a,d\n"
    (tmp_path / "m.bad.csv").write_text(content)
    (tmp_path / "link.parquet").symlink_to(tmp_path / "m.bad.csv")
    for out, message in (
        ("m.parquet", "would overwrite its source"),
        ("link.parquet", "would overwrite its source"),
        ("m.bad.csv", r"a manifest is a file whose name ends in .parquet"),
        ("m", r"a manifest is a file whose name ends in .parquet"),
    ):
        source = tmp_path / "m.bad.csv"
        assert message in fails(main, ["corpus", "import", "table", str(source), "--out", str(tmp_path / out)])
        assert source.read_text() == content


def test_the_list_of_bad_rows_of_an_earlier_import_is_removed(bad_table: Path) -> None:
    out = bad_table.parent / "m.parquet"
    run_import("table", bad_table, out, "--skip-bad", "--domain", "d")
    bad_table.write_text("audio,text,domain\ngood.wav,fine,d\n")
    run_import("table", bad_table, out)
    assert not out.with_suffix(".bad.csv").exists()


def test_a_damaged_ogg_file_is_a_bad_row(tmp_path: Path, fails: Callable[..., str]) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 20 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "1.ogg", noise, RATE, format="OGG", subtype="VORBIS")
    content = bytearray((tmp_path / "1.ogg").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "1.ogg").write_bytes(content)
    (tmp_path / "t.csv").write_text("audio,text,domain\n1.ogg,a,d\n")
    said = fails(main, ["corpus", "import", "table", str(tmp_path / "t.csv"), "--out", str(tmp_path / "m.parquet")])
    assert "unreadable audio: 1 rows (t.csv:2)" in said
    assert "the Ogg file is damaged at byte" in said


def test_a_table_without_a_readable_row_says_why(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "t.jsonl").write_text('{"audio": "a.wav",\n')
    said = fails(main, ["corpus", "import", "table", str(tmp_path / "t.jsonl"), "--out", str(tmp_path / "m.parquet")])
    assert "bad line: 1 rows (t.jsonl:1); first: not valid JSON" in said


def test_the_audio_of_an_earlier_import_is_kept_when_another_one_fails(tmp_path: Path) -> None:
    def rows(loud: float, text: str) -> list[Row]:
        return [Row("1", "a.wav", text, "d", waveform=np.full(800, loud, np.float32), sample_rate=8000)]

    out, plain = tmp_path / "m.parquet", get_normalizer("plain-1")
    ingest(rows(0.1, "a bad cab"), out, plain, skip_bad=False)
    with pytest.raises(InputError, match="no manifest was written"):
        ingest(rows(0.5, ""), out, plain, skip_bad=False)
    assert read_manifest(out).waveform(0, 8000).max() < 0.2
    ingest(rows(0.5, "a bed"), out, plain, skip_bad=False)
    assert read_manifest(out).waveform(0, 8000).max() > 0.4
