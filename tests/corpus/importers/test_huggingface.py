import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from stt.audio.io import audio_info
from stt.cli.main import main
from tests.corpus.test_importers import run_import, sound, texts

ROWS = [
    {"file_name": "train/1.wav", "transcription": "Да", "region": "north"},
    {"file_name": "test/2.wav", "transcription": "Нет", "region": "south"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for row in ROWS:
        sound(tmp_path / "data_set" / row["file_name"])
    return tmp_path / "data_set"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_audio_folder(ending: str, folder: Path, tmp_path: Path) -> None:
    path = folder / f"metadata.{ending}"
    if ending == "csv":
        path.write_text("\n".join([",".join(ROWS[0]), *(",".join(row.values()) for row in ROWS)]))
    elif ending == "jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)))
    else:
        pyarrow.parquet.write_table(pa.Table.from_pylist(ROWS), path)
    manifest = run_import("huggingface", folder, tmp_path / "m.parquet")
    assert (texts(manifest), manifest.domains) == (["да", "нет"], ["data_set"])
    assert manifest.table["id"].to_pylist() == ["train/1.wav", "test/2.wav"]
    assert manifest.table["region"].to_pylist() == ["north", "south"]
    test = run_import("huggingface", folder, tmp_path / "t.parquet", "--split", "test", "--domain", "{region}_{split}")
    assert (texts(test), test.domains) == (["нет"], ["south_test"])


def test_metadata_in_the_folder_of_each_split(folder: Path, tmp_path: Path) -> None:
    for row in ROWS:
        name = Path(row["file_name"])
        (folder / name.parent / "metadata.jsonl").write_text(json.dumps(row | {"file_name": name.name}))
    manifest = run_import("huggingface", folder, tmp_path / "m.parquet", "--domain", "{split}")
    assert dict(zip(texts(manifest), manifest.table["domain"].to_pylist(), strict=True)) == {
        "да": "train",
        "нет": "test",
    }


def shard(path: Path, audio: list[dict[str, object] | None], **columns: list[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pyarrow.parquet.write_table(pa.table({"audio": pa.array(audio, kind), **columns}), path)


def test_audio_inside_of_parquet_is_written_next_to_the_manifest(tmp_path: Path) -> None:
    files = [sound(tmp_path / f"{i}.wav", 0.5 + i).read_bytes() for i in range(3)]
    names = ["a.wav", None, "../../c.wav"]  # names in the data do not decide where files are written
    audio: list[dict[str, object] | None] = [
        {"bytes": one, "path": name} for one, name in zip(files, names, strict=True)
    ]
    source = tmp_path / "set" / "data"
    shard(source / "train-00000-of-00002.parquet", audio[:2], sentence=["One", "Two"], votes=[1, 2])
    shard(source / "train-00001-of-00002.parquet", audio[2:], sentence=["Three"], votes=[3])
    shard(source / "test-00000-of-00001.parquet", audio[:1], sentence=["Four"], votes=[3])
    out = tmp_path / "out" / "m.parquet"
    manifest = run_import("huggingface", tmp_path / "set", out, "--split", "train")
    assert (texts(manifest), manifest.durations.tolist()) == (["one", "two", "three"], [0.5, 1.5, 2.5])
    assert manifest.value(1, "audio") == "m/train-00000-of-00002/0000002.wav"
    assert manifest.value(2, "id") == "train-00001-of-00002/1"
    assert manifest.table["votes"].to_pylist() == [1, 2, 3]
    assert "audio" in manifest.table.column_names
    assert audio_info(manifest.audio(2)).duration == 2.5
    written = sorted(path for path in tmp_path.rglob("*.wav") if "out" in path.parts)
    assert len(written) == 3
    assert all(path.is_relative_to(tmp_path / "out" / "m") for path in written)


def test_shards_of_the_same_name_in_different_folders_keep_their_audio_apart(tmp_path: Path) -> None:
    for split, seconds in (("train", 0.5), ("test", 1.5)):
        content = sound(tmp_path / f"{split}.wav", seconds).read_bytes()
        audio: list[dict[str, object] | None] = [{"bytes": content, "path": "a.wav"}, None]
        shard(tmp_path / "set" / "default" / split / "0000.parquet", audio, text=[split, "none"])
    options = ("--domain", "{split}", "--skip-bad")
    manifest = run_import("huggingface", tmp_path / "set", tmp_path / "m.parquet", *options)
    expected = {
        "id": ["test/0000/1", "train/0000/1"],
        "audio": [f"m/{one}/0000/0000001.wav" for one in ("test", "train")],
    }
    assert {name: manifest.table[name].to_pylist() for name in expected} == expected
    assert (manifest.durations.tolist(), manifest.domains) == ([1.5, 0.5], ["test", "train"])
    listed = (tmp_path / "m.bad.csv").read_text()
    assert "default/test/0000.parquet:2" in listed
    assert "default/train/0000.parquet:2" in listed
    train = run_import("huggingface", tmp_path / "set", tmp_path / "t.parquet", "--split", "train", "--skip-bad")
    assert train.table["id"].to_pylist() == ["train/0000/1"]


def test_bad_rows_of_parquet_are_listed(tmp_path: Path) -> None:
    good = sound(tmp_path / "set" / "1.wav").read_bytes()
    audio: list[dict[str, object] | None] = [
        {"bytes": good, "path": "a.wav"},
        {"bytes": b"none", "path": "b.wav"},
        None,
    ]
    audio += [{"bytes": None, "path": "1.wav"}]
    shard(tmp_path / "set" / "train.parquet", audio, text=["a", "b", "c", "d"])
    manifest = run_import("huggingface", tmp_path / "set", tmp_path / "m.parquet", "--skip-bad")
    assert texts(manifest) == ["a", "d"]
    listed = (tmp_path / "m.bad.csv").read_text()
    assert "train.parquet:2,unreadable audio" in listed
    assert 'train.parquet:3,bad line,"the audio is missing' in listed
    assert not (tmp_path / "m" / "train" / "0000002.wav").exists()


def test_a_data_set_without_a_text_or_audio_names_what_it_has(tmp_path: Path, fails: Callable[..., str]) -> None:
    shard(tmp_path / "a" / "train.parquet", [None], label=["x"])
    out = ["--out", str(tmp_path / "m.parquet")]
    assert "--text: audio, label" in fails(main, ["corpus", "import", "huggingface", str(tmp_path / "a"), *out])
    (tmp_path / "b").mkdir()
    pyarrow.parquet.write_table(pa.table({"text": ["a"]}), tmp_path / "b" / "train.parquet")
    assert "no column of audio" in fails(main, ["corpus", "import", "huggingface", str(tmp_path / "b"), *out])
    (tmp_path / "c").mkdir()
    assert "neither metadata.csv" in fails(main, ["corpus", "import", "huggingface", str(tmp_path / "c"), *out])
