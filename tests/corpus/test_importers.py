import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stt.__main__ import main
from stt.corpus.importers import importers
from stt.corpus.manifest import Manifest, read_manifest

RATE = 8_000


def sound(path: Path, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, int(seconds * RATE)).astype(np.float32)
    soundfile.write(path, noise, RATE)
    return path


def run_import(kind: str, source: Path, out: Path, *options: str) -> Manifest:
    with pytest.raises(SystemExit) as stopped:
        main(["corpus", "import", kind, str(source), "--out", str(out), *options])
    assert stopped.value.code == 0
    return read_manifest(out)


def texts(manifest: Manifest) -> list[str]:
    return [manifest.text(row) for row in range(len(manifest))]


def test_a_new_file_is_a_new_format() -> None:
    assert {"fsdd", "folder", "kaldi", "nemo", "table"} <= set(importers())


def test_a_table_with_other_column_names_and_no_durations(tmp_path: Path) -> None:
    sound(tmp_path / "x" / "1.wav", 1.5)
    sound(tmp_path / "x" / "2.wav", 0.5)
    (tmp_path / "t.csv").write_text("path,sentence,region\nx/1.wav,Да!,north\nx/2.wav,Нет,south\n")
    options = ("--columns", "audio=path,text=sentence", "--domain", "{region}", "--normalizer", "russian-1")
    manifest = run_import("table", tmp_path / "t.csv", tmp_path / "m.parquet", *options)
    assert texts(manifest) == ["да", "нет"]
    assert manifest.domains == ["north", "south"]
    assert manifest.durations.tolist() == [1.5, 0.5]
    assert manifest.value(0, "audio") == "x/1.wav"
    assert manifest.normalizer == "russian-1"


def test_a_table_with_windows_of_a_long_file(tmp_path: Path) -> None:
    sound(tmp_path / "long.wav", 10)
    (tmp_path / "t.tsv").write_text(
        "audio\ttext\tdomain\toffset\tduration\nlong.wav\ta\td\t0\t2\nlong.wav\tb\td\t7.5\t2.5\n"
    )
    manifest = run_import("table", tmp_path / "t.tsv", tmp_path / "m.parquet")
    assert [manifest.window(row) for row in range(2)] == [(0.0, 2.0), (7.5, 2.5)]


def test_a_folder_of_audio_beside_text(tmp_path: Path) -> None:
    for name in ("radio/1.wav", "radio/deep/2.wav", "3.wav"):
        sound(tmp_path / "in" / name).with_suffix(".txt").write_text(f"Text {name[-5]}")
    manifest = run_import("folder", tmp_path / "in", tmp_path / "m.parquet")
    assert dict(zip(texts(manifest), manifest.table["domain"].to_pylist(), strict=True)) == {
        "text 1": "radio",
        "text 2": "radio",
        "text 3": "in",
    }


def test_a_kaldi_directory_with_segments_and_a_domain_template(tmp_path: Path) -> None:
    data = tmp_path / "corpus" / "train"
    sound(tmp_path / "corpus" / "wav" / "r.wav", 4)
    files = {
        "text": "u1 HELLO\nu2 WORLD OF\n",
        "wav.scp": "r wav/r.wav\n",
        "segments": "u1 r 0 1.5\nu2 r 2 4\n",
        "utt2spk": "u1 s1\nu2 s2\n",
        "spk2gender": "s1 f\ns2 m\n",
        "spk2age": "s1 30\ns2 9\n",
    }
    data.mkdir()
    for name, content in files.items():
        (data / name).write_text(content)
    manifest = run_import("kaldi", data, tmp_path / "m.parquet", "--domain", "{age_group}_{gender}")
    assert manifest.table["domain"].to_pylist() == ["adult_f", "child_m"]
    assert [manifest.window(row) for row in range(2)] == [(0.0, 1.5), (2.0, 2.0)]
    assert manifest.audio(0).resolve() == (tmp_path / "corpus/wav/r.wav").resolve()


def test_a_nemo_manifest(tmp_path: Path) -> None:
    sound(tmp_path / "1.wav")
    lines = [{"audio_filepath": "1.wav", "text": "One", "duration": 1.0}]
    (tmp_path / "calls.json").write_text("\n".join(map(json.dumps, lines)))
    manifest = run_import("nemo", tmp_path / "calls.json", tmp_path / "m.parquet")
    assert (texts(manifest), manifest.domains) == (["one"], ["calls"])


def test_digit_strings_are_joined_from_the_recordings_of_their_split(tmp_path: Path) -> None:
    source = tmp_path / "recordings"
    for digit in range(10):
        for index in (0, 6, 9):
            sound(source / f"{digit}_ann_{index}.wav", 0.2 + 0.1 * index)
    options = ("--strings", "20", "--split", "test")
    manifest = run_import("fsdd", source, tmp_path / "t.parquet", *options)
    counts = [len(text.split()) for text in texts(manifest)]
    assert set(counts) == {1, 2, 3, 4, 5}
    for count, duration in zip(counts, manifest.durations, strict=True):
        gaps = duration - 0.2 * count  # recordings of the test split last 0.2 s here
        assert 0.02 * (count + 1) - 0.01 <= gaps <= 0.3 * (count + 1)
    again = run_import("fsdd", source, tmp_path / "again.parquet", *options)
    assert texts(again) == texts(manifest)
    assert len(run_import("fsdd", source, tmp_path / "digits.parquet", "--split", "train")) == 10


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
    said = fails(main, ["corpus", "import", "table", str(bad_table), "--out", str(out), "--domain", "d"])
    assert "7 of 9 rows are bad" in said
    assert "unreadable audio: 3 rows (t.csv:3, t.csv:4, t.csv:5)" in said
    assert "empty text: 1 rows (t.csv:6)" in said
    assert "wrong duration: 1 rows (t.csv:7)" in said
    assert "bad line: 1 rows (t.csv:8)" in said
    assert "text with symbol %: 1 rows (t.csv:9)" in said
    assert not out.exists()


def test_bad_rows_can_be_left_out_with_a_list(bad_table: Path) -> None:
    out = bad_table.parent / "m.parquet"
    assert texts(run_import("table", bad_table, out, "--skip-bad", "--domain", "d")) == ["fine", "x"]
    with out.with_suffix(".bad.csv").open() as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == 7
    assert "MP4/AAC" in next(row["reason"] for row in listed if row["where"] == "t.csv:5")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["table", "t.csv", "--columns", "audio=file"], "no column 'file'"),
        (["table", "t.csv", "--columns", "nonsense"], "--columns takes"),
        (["table", "t.csv", "--domain", "{planet}"], "domain template"),
        (["table", "none.csv"], "no such file"),
        (["folder", "none"], "no such folder"),
        (["kaldi", "."], "must have this file"),
        (["fsdd", "."], "no recordings"),
        (["table", "t.csv", "--normalizer", "klingon"], "no normalizer"),
    ],
)
def test_a_wrong_call_gets_a_sentence(
    bad_table: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str], args: list[str], message: str
) -> None:
    monkeypatch.chdir(bad_table.parent)
    assert message in fails(main, ["corpus", "import", *args, "--out", "m.parquet"])


def test_real_speech_is_imported_with_four_domains(real_speech: Path, tmp_path: Path) -> None:
    source = real_speech / "speechocean762" / "dev"
    manifest = run_import("kaldi", source, tmp_path / "m.parquet", "--domain", "{age_group}_{gender}")
    assert manifest.domains == ["adult_f", "adult_m", "child_f", "child_m"]
    assert len(manifest) == 1240
    assert manifest.durations.sum() / 3600 == pytest.approx(1.32, abs=0.02)
