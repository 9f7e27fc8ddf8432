import csv
import json
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import soundfile

from stt.audio.source import AudioSource
from stt.cli.main import main
from stt.corpus.importers import importers
from stt.corpus.manifest import Manifest, read_manifest, read_manifests

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


def test_every_importer_file_is_a_format() -> None:
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
    assert manifest.table["region"].to_pylist() == ["north", "south"]
    assert "path" not in manifest.table.column_names


def test_extra_columns_of_a_table_are_imported_with_their_types(tmp_path: Path) -> None:
    sound(tmp_path / "1.wav")
    extra = pa.table(
        {
            "votes": pa.array([None, 2, 3], pa.int16()),
            "when": pa.array([0, 1, None], pa.timestamp("us")),
            "scores": pa.array([[0.5], [], None], pa.list_(pa.float32())),
            "client": pa.array(["x", None, "x"]).dictionary_encode(),
        }
    )
    known = {"id": ["a", "b", "c"], "audio": ["1.wav"] * 3, "text": ["a", "b", "c"], "domain": ["d"] * 3}
    table = pa.table(known | {name: extra[name] for name in extra.column_names})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    manifest = run_import("table", tmp_path / "t.parquet", tmp_path / "m.parquet", "--id-prefix", "set/")
    assert manifest.table["id"].to_pylist() == ["set/a", "set/b", "set/c"]
    plain = extra.set_column(3, "client", extra["client"].cast(pa.string()))
    assert manifest.table.select(plain.column_names).equals(plain)


def test_extra_columns_survive_a_hold_out(tmp_path: Path) -> None:
    lines = ["id,audio,text,domain,votes"]
    for i in range(200):
        sound(tmp_path / f"{i}.wav", 0.1)
        lines.append(f"u{i},{i}.wav,text {i},d,{i}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    whole = run_import("table", tmp_path / "t.csv", tmp_path / "m.parquet", "--hold-out", "0.2")
    parts = read_manifests([tmp_path / f"m.{split}.parquet" for split in ("train", "validate", "test")])
    pairs = list(zip(parts.table["id"].to_pylist(), parts.table["votes"].to_pylist(), strict=True))
    assert sorted(pairs) == sorted((f"u{i}", str(i)) for i in range(200))
    assert sorted(parts.keys.tolist()) == sorted(whole.keys.tolist())


def test_duplicate_ids_are_reported_with_their_lines(tmp_path: Path, fails: Callable[..., str]) -> None:
    sound(tmp_path / "1.wav")
    (tmp_path / "t.csv").write_text("id,audio,text,domain\n7,1.wav,a,d\n8,1.wav,b,d\n7,1.wav,c,d\n")
    output = fails(main, ["corpus", "import", "table", str(tmp_path / "t.csv"), "--out", str(tmp_path / "m.parquet")])
    assert "duplicate id: 1 rows (t.csv:4); first: an earlier row has the same id 7" in output


def test_a_table_with_byte_spans_of_one_file(tmp_path: Path, fails: Callable[..., str]) -> None:
    parts = [sound(tmp_path / f"{i}.wav", 0.5 + i).read_bytes() for i in range(2)]
    (tmp_path / "shard.bin").write_bytes(b"head" + b"".join(parts))
    rows = ["audio,text,domain,byte_offset,byte_length"]
    rows += [f"shard.bin,a,d,4,{len(parts[0])}", f"shard.bin,b,d,{4 + len(parts[0])},{len(parts[1])}"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    manifest = run_import("table", tmp_path / "t.csv", tmp_path / "m.parquet")
    assert manifest.durations.tolist() == [0.5, 1.5]
    assert manifest.name(0) == "shard.bin at byte 4"
    (tmp_path / "t.csv").write_text("\n".join([*rows, "shard.bin,c,d,4,", f"shard.bin,c,d,{10**6},9"]))
    output = fails(main, ["corpus", "import", "table", str(tmp_path / "t.csv"), "--out", str(tmp_path / "m.parquet")])
    assert "invalid byte span: 1 rows (t.csv:4)" in output
    assert "unreadable audio: 1 rows (t.csv:5)" in output


def test_remote_audio_is_checked_and_kept_by_its_url(tmp_path: Path) -> None:
    address = f"memory://{tmp_path.name}/1.wav"
    with fsspec.open(address, "wb") as file:
        file.write(sound(tmp_path / "1.wav", 1.5).read_bytes())
    (tmp_path / "t.csv").write_text(f"audio,text,domain\n{address},a,d\n")
    manifest = run_import("table", tmp_path / "t.csv", tmp_path / "m.parquet")
    assert manifest.durations.tolist() == [1.5]
    assert manifest.audio(0) == AudioSource(address)
    assert len(manifest.waveform(0, RATE)) == 1.5 * RATE


def test_a_table_with_windows_of_a_long_file(tmp_path: Path) -> None:
    sound(tmp_path / "long.wav", 10)
    (tmp_path / "t.tsv").write_text(
        "audio\ttext\tdomain\toffset\tduration\nlong.wav\ta\td\t0\t2\nlong.wav\tb\td\t7.5\t2.5\n"
    )
    manifest = run_import("table", tmp_path / "t.tsv", tmp_path / "m.parquet")
    assert [manifest.window(row) for row in range(2)] == [(0.0, 2.0), (7.5, 2.5)]


def test_a_folder_of_audio_and_text_files(tmp_path: Path) -> None:
    for name in ("radio/1.wav", "radio/deep/2.wav", "3.wav"):
        sound(tmp_path / "in" / name).with_suffix(".txt").write_text(f"Text {name[-5]}")
    manifest = run_import("folder", tmp_path / "in", tmp_path / "m.parquet")
    assert dict(zip(texts(manifest), manifest.table["domain"].to_pylist(), strict=True)) == {
        "text 1": "radio",
        "text 2": "radio",
        "text 3": "in",
    }


def write_files(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)


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
    write_files(data, files)
    manifest = run_import("kaldi", data, tmp_path / "m.parquet", "--domain", "{age_group}_{gender}")
    assert manifest.table["domain"].to_pylist() == ["adult_f", "child_m"]
    assert [manifest.window(row) for row in range(2)] == [(0.0, 1.5), (2.0, 2.0)]
    assert manifest.table["id"].to_pylist() == ["u1", "u2"]
    assert manifest.table["gender"].to_pylist() == ["f", "m"]
    assert Path(manifest.audio(0).address).resolve() == (tmp_path / "corpus/wav/r.wav").resolve()


def test_a_kaldi_domain_can_come_from_any_table_in_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "train"
    files = {
        "text": "u1 ONE\nu2 TWO\n",
        "wav.scp": f"u1 {sound(tmp_path / 'a.wav')}\nu2 {sound(tmp_path / 'b.wav')}\n",
        "utt2domain": "u1 radio\nu2 calls\n",
        "utt2lang": "u1 en\n",
    }
    write_files(data, files)
    manifest = run_import("kaldi", data, tmp_path / "m.parquet", "--domain", "{domain}")
    assert manifest.table["domain"].to_pylist() == ["radio", "calls"]
    assert manifest.table["lang"].to_pylist() == ["en", None]


def test_a_nemo_manifest(tmp_path: Path) -> None:
    sound(tmp_path / "1.wav")
    lines = [
        {"audio_filepath": "1.wav", "text": "One", "duration": 1.0, "lang": "en", "votes": 3, "id": 17},
        {"audio_filepath": "1.wav", "text": "Two", "duration": 1.0, "votes": "many", "tags": ["x"]},
    ]
    (tmp_path / "calls.json").write_text("\n".join(map(json.dumps, lines)))
    manifest = run_import("nemo", tmp_path / "calls.json", tmp_path / "m.parquet")
    assert (texts(manifest), manifest.domains) == (["one", "two"], ["calls"])
    assert manifest.value(0, "id") == "17"
    assert len(str(manifest.value(1, "id"))) == 16
    assert manifest.table.select(["lang", "votes", "tags"]).to_pylist() == [
        {"lang": "en", "votes": "3", "tags": None},
        {"lang": None, "votes": "many", "tags": ["x"]},
    ]


def test_digit_strings_are_concatenated_from_recordings_of_their_split(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["table", "t.csv", "--columns", "audio=file"], "no column 'file'"),
        (["table", "t.csv", "--columns", "txt=text"], "--columns cannot set txt"),
        (["table", "t.csv", "--domain", "{text.__class__}"], "domain template"),
        (["table", "t.csv", "--domain", "worst"], "the domain 'worst' must be renamed"),
        (["table", "t.csv", "--domain", "a/b"], "the domain 'a/b' must be renamed"),
        (["fsdd", ".", "--max-digits", "0"], "--max-digits must be at least 1"),
        (["table", "t.csv", "--columns", "nonsense"], "--columns must"),
        (["table", "t.csv", "--domain", "{planet}"], "domain template"),
        (["table", "none.csv"], "file not found"),
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


def test_real_speech_is_imported_with_four_domains(real_speech: Path, tmp_path: Path) -> None:
    source = real_speech / "speechocean762" / "dev"
    manifest = run_import("kaldi", source, tmp_path / "m.parquet", "--domain", "{age_group}_{gender}")
    assert manifest.domains == ["adult_f", "adult_m", "child_f", "child_m"]
    assert len(manifest) == 1240
    assert manifest.durations.sum() / 3600 == pytest.approx(1.32, abs=0.02)


def test_real_speech_gets_its_domains_from_an_extra_table(real_speech: Path, tmp_path: Path) -> None:
    source = real_speech / "commonvoice_en" / "dev"
    if not source.is_dir():
        pytest.skip(f"no {source}")
    manifest = run_import("kaldi", source, tmp_path / "m.parquet", "--domain", "{domain}")
    assert {"us", "south_asia", "british_isles"} <= set(manifest.domains)
    assert len(manifest) == 228
    assert set(manifest.table["id"].to_pylist()) == {
        line.split()[0] for line in (source / "text").read_text().splitlines()
    }


def test_a_table_without_a_readable_row_says_why(tmp_path: Path, fails: Callable[..., str]) -> None:
    (tmp_path / "t.jsonl").write_text('{"audio": "a.wav",\n')
    said = fails(main, ["corpus", "import", "table", str(tmp_path / "t.jsonl"), "--out", str(tmp_path / "m.parquet")])
    assert "bad line: 1 rows (t.jsonl:1); first: not valid JSON" in said
