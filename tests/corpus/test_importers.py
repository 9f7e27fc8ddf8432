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


@pytest.mark.parametrize("workers", ["1", "2"])
def test_times_that_python_cannot_express_are_imported(tmp_path: Path, workers: str) -> None:
    sound(tmp_path / "1.wav")
    when = pa.array([1, 10**9], pa.timestamp("ns", "Mars/Olympus"))
    table = pa.table({"audio": ["1.wav"] * 2, "text": ["a", "b"], "when": when, "day": when.cast(pa.timestamp("ns"))})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    options = ("--domain", "at {day}", "--skip-bad", "--workers", workers)
    manifest = run_import("table", tmp_path / "t.parquet", tmp_path / "m.parquet", *options)
    assert manifest.domains == ["at 1970-01-01 00:00:00.000000001", "at 1970-01-01 00:00:01"]
    assert manifest.table["when"].combine_chunks().equals(when)
    with pytest.raises(SystemExit) as stopped:
        main(["corpus", "export", "nemo", str(tmp_path / "m.parquet"), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 0
    assert json.loads((tmp_path / "out" / "manifest.jsonl").read_text().splitlines()[0])["day"].endswith("00.000000001")


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


def test_linked_folders_are_imported_and_linked_files_keep_their_names(tmp_path: Path) -> None:
    sound(tmp_path / "annex" / "6f1a.wav")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "1.wav").symlink_to("../annex/6f1a.wav")
    (tmp_path / "disk" / "1.txt").write_text("Text")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "radio").symlink_to("../disk")
    manifest = run_import("folder", tmp_path / "in", tmp_path / "m.parquet")
    row = [manifest.value(0, name) for name in ("id", "domain", "audio")]
    assert row == ["radio/1.wav", "radio", "disk/1.wav"]


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


def test_bad_lines_of_a_kaldi_directory_are_listed_and_can_be_skipped(tmp_path: Path) -> None:
    data = tmp_path / "train"
    files = {
        "text": "u1 ONE\nu2 TWO\nu1 ONE AGAIN\nu3 THREE\n",
        "wav.scp": "".join(f"u{i} {sound(tmp_path / f'{i}.wav')}\n" for i in (1, 2, 3)),
        "utt2spk": "u1 s1\nu2 s2\nu3 s3\n",
    }
    write_files(data, files)
    (data / "utt2lang").write_bytes(b"u1 en\nu2 \x80\nu3 en\n")
    manifest = run_import("kaldi", data, tmp_path / "m.parquet", "--skip-bad")
    assert manifest.table["id"].to_pylist() == ["u1", "u2", "u3"]
    assert texts(manifest)[0] == "one"
    assert manifest.table["lang"].to_pylist() == ["en", None, "en"]
    listed = (tmp_path / "m.bad.csv").read_text()
    assert "train/text:3,bad line,duplicate key u1" in listed
    assert "train/utt2lang:2,bad line,not UTF-8" in listed


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


def test_audio_that_nobody_has_transcribed_has_empty_texts(tmp_path: Path) -> None:
    for name in ("radio/1.wav", "2.wav"):
        sound(tmp_path / "in" / name)
    manifest = run_import("audio", tmp_path / "in", tmp_path / "m.parquet", "--domain", "new {folder}")
    assert texts(manifest) == ["", ""]
    assert manifest.table["id"].to_pylist() == ["2.wav", "radio/1.wav"]
    assert manifest.domains == ["new in", "new radio"]
