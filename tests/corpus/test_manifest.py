import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stt.audio.source import AudioSource
from stt.corpus.manifest import Manifest, read_manifest, read_manifests, write_manifest
from stt.errors import InputError

ROWS = [
    {"audio": "a/1.wav", "text": "007", "duration": 1.5, "domain": "calls", "speaker": "x", "cer": 0.25},
    {"audio": "/abs/2.wav", "text": "да, нет", "duration": 2.5, "domain": "radio", "speaker": None, "cer": None},
    {"audio": "a/3.wav", "text": "null", "duration": 3.0, "domain": "calls", "speaker": "x", "cer": 1.0},
]


def written(folder: Path, ending: str) -> Path:
    path = folder / f"m{ending}"
    if ending == ".parquet":
        write_manifest(pa.Table.from_pylist(ROWS), path, "plain-1")
    elif ending == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        comma = "\t" if ending == ".tsv" else ","
        lines = [comma.join(ROWS[0])]
        quote = "" if ending == ".tsv" else '"'  # TSV has no quoting
        lines += [comma.join("" if v is None else f"{quote}{v}{quote}" for v in row.values()) for row in ROWS]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("ending", [".parquet", ".jsonl", ".csv", ".tsv"])
def test_every_format_yields_the_same_manifest(tmp_path: Path, ending: str) -> None:
    manifest = read_manifest(written(tmp_path, ending))
    assert [manifest.text(row) for row in range(3)] == ["007", "да, нет", "null"]
    assert manifest.audio(0) == AudioSource(str(tmp_path / "a/1.wav"))
    assert manifest.audio(1) == AudioSource("/abs/2.wav")
    assert manifest.domains == ["calls", "radio"]
    assert manifest.domain_index.tolist() == [0, 1, 0]
    assert manifest.durations.tolist() == [1.5, 2.5, 3.0]
    assert [rows.tolist() for rows in manifest.rows_by_domain()] == [[0, 2], [1]]
    assert [rows.tolist() for rows in manifest.rows_by_domain(np.array([False, True, True]))] == [[2], [1]]
    assert manifest.window(0) == (0.0, None)
    assert manifest.normalizer == ("plain-1" if ending == ".parquet" else None)
    assert manifest.where(1) == f"{manifest.path}: row 2"


def test_the_fingerprint_depends_on_the_data_and_not_on_the_format(tmp_path: Path) -> None:
    prints = {read_manifest(written(tmp_path, ending)).fingerprint for ending in (".parquet", ".jsonl", ".csv")}
    assert len(prints) == 1
    other = [{**ROWS[0], "text": "008"}, *ROWS[1:]]
    write_manifest(pa.Table.from_pylist(other), tmp_path / "o.parquet", "plain-1")
    assert read_manifest(tmp_path / "o.parquet").fingerprint not in prints


def ids(manifest: Manifest) -> list[str]:
    return [str(manifest.value(row, "id")) for row in range(len(manifest))]


def test_missing_ids_are_derived_from_the_audio_and_kept_when_written(tmp_path: Path) -> None:
    formats = (".parquet", ".jsonl", ".csv", ".tsv")
    by_format = {ending: ids(read_manifest(written(tmp_path, ending))) for ending in formats}
    assert len(set(by_format[".csv"])) == 3
    assert all(each == by_format[".csv"] for each in by_format.values())
    # Once written they stay, even if the audio files are renamed.
    table = read_manifest(tmp_path / "m.csv").table
    packed = table.set_column(table.column_names.index("audio"), "audio", pa.array(["x.flac", "y.flac", "z.flac"]))
    write_manifest(packed.take([2, 0]), tmp_path / "elsewhere" / "p.parquet", "plain-1")
    assert ids(read_manifest(tmp_path / "elsewhere" / "p.parquet")) == [by_format[".csv"][2], by_format[".csv"][0]]


def test_a_corrected_text_belongs_to_the_same_utterance(tmp_path: Path) -> None:
    before = read_manifest(written(tmp_path, ".parquet"))
    (tmp_path / "n.jsonl").write_text("".join(json.dumps({**row, "text": "corrected"}) + "\n" for row in ROWS))
    after = read_manifest(tmp_path / "n.jsonl")
    np.testing.assert_array_equal(before.keys, after.keys)
    assert (before.text_hashes != after.text_hashes).all()
    assert before.fingerprint != after.fingerprint


def test_two_rows_with_the_same_audio_are_two_utterances(tmp_path: Path) -> None:
    rows = [ROWS[0], ROWS[0], ROWS[1], {**ROWS[0], "offset": 1.0}, ROWS[0]]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    manifest = read_manifest(tmp_path / "m.parquet")
    assert len(set(ids(manifest))) == len(set(manifest.keys.tolist())) == 5


def test_files_with_the_same_name_in_two_folders_are_two_utterances(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        written(tmp_path / name, ".jsonl")
    manifest = read_manifests([tmp_path / "a" / "m.jsonl", tmp_path / "b" / "m.jsonl"])
    assert len(set(ids(manifest))) == 6
    assert ids(manifest)[:3] == ids(read_manifest(tmp_path / "a" / "m.jsonl"))


def test_only_rows_without_an_id_get_one(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "id": "u7"}, {**ROWS[1], "id": None}, {**ROWS[2], "id": ""}]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    plain = ids(read_manifest(written(tmp_path, ".csv")))
    assert ids(read_manifest(tmp_path / "m.parquet")) == ["u7", *plain[1:]]


def test_the_error_for_a_duplicate_id_names_both_rows(tmp_path: Path) -> None:
    rows = [{**row, "id": name} for row, name in zip(ROWS, ("u1", "u2", "u1"), strict=True)]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    with pytest.raises(InputError, match=r"m\.parquet: row 3: duplicate id u1, first used in .*m\.parquet: row 1"):
        read_manifest(tmp_path / "m.parquet")
    for name, part in (("a", rows[:2]), ("b", rows[2:])):
        write_manifest(pa.Table.from_pylist(part), tmp_path / f"{name}.parquet", "plain-1")
    with pytest.raises(InputError, match=r"b\.parquet: row 1: duplicate id u1, first used in .*a\.parquet: row 1"):
        read_manifests([tmp_path / "a.parquet", tmp_path / "b.parquet"])


def test_unknown_columns_are_kept_with_their_types(tmp_path: Path) -> None:
    extra = pa.table(
        {
            "votes": pa.array([1, None, 3], pa.int8()),
            "when": pa.array([0, 1, 2], pa.timestamp("ms")),
            "tags": pa.array([["a"], [], None]),
            "accent": pa.array(["us", None, "us"]).dictionary_encode(),
        }
    )
    table = pa.Table.from_pylist(ROWS)
    for name in extra.column_names:
        table = table.append_column(name, extra[name])
    write_manifest(table, tmp_path / "m.parquet", "plain-1")
    once = read_manifest(tmp_path / "m.parquet")
    write_manifest(once.table, tmp_path / "n.parquet", "plain-1")
    for manifest in (once, read_manifest(tmp_path / "n.parquet")):
        assert manifest.table.select(extra.column_names).cast(extra.schema).equals(extra)
        assert {name: manifest.table.schema.field(name).type for name in extra.column_names} == {
            name: extra.schema.field(name).type for name in extra.column_names
        }
        assert manifest.value(2, "votes") == 3


def test_manifests_with_different_columns_are_read_as_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = {"a": {"votes": 1, "age": 30}, "b": {"votes": "many", "age": 5.5, "accent": "us"}}
    for (name, extra), row in zip(files.items(), ROWS, strict=False):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({**row, **extra}))
    manifest = read_manifests([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    assert manifest.table.select(["votes", "age", "accent"]).to_pylist() == [
        {"votes": "1", "age": 30.0, "accent": None},
        {"votes": "many", "age": 5.5, "accent": "us"},
    ]
    assert "the types of column votes differ, so it is read as strings" in caplog.text
    assert manifest.files == [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    assert manifest.where(1) == f"{tmp_path / 'b.jsonl'}: row 1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"byte_offset": 5}, "byte_offset without byte_length.* in row 2"),
        ({"byte_length": 5}, "byte_offset without byte_length.* in row 2"),
        ({"byte_offset": -1, "byte_length": 5}, "negative byte_offset in row 2"),
        ({"byte_offset": 0, "byte_length": 0}, "byte_length that is not positive in row 2"),
        ({"duration": -1.0}, "duration.* in row 2"),
        ({"duration": float("nan")}, "duration.* in row 2"),
        ({"offset": float("nan")}, "offset .* in row 2"),
        ({"offset": float("inf")}, "offset .* in row 2"),
        ({"offset": -1.0}, "offset .* in row 2"),
        ({"duration": float("inf")}, "duration.* in row 2"),
        ({"domain": "mean"}, r"m\.parquet: the domain 'mean' must be renamed"),
        ({"domain": "a/b"}, r"m\.parquet: the domain 'a/b' must be renamed"),
        ({"audio": ""}, "no audio in row 2"),
        ({"domain": ""}, "no domain in row 2"),
        ({"cer": 1.5}, r"cer outside 0\.\.1 in row 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    rows = [{**dict.fromkeys(change), **ROWS[0]}, {**ROWS[1], **change}]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path / "m.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", "audio,text,duration,domain\n", "no rows"),
        ("m.csv", "audio,text,domain\na.wav,x,y\n", "missing column duration"),
        ("m.csv", "audio,text,duration,domain,x,x\na.wav,x,1,y,1,2\n", "duplicate column x"),
        ("m.csv", "audio,text,duration,domain,byte_offset\na.wav,x,1,y,1.5\n", "must contain integers"),
        ("m.csv", "audio,text,duration,domain\na.wav,x,1,y\na.wav,x,long,y\n", r"numbers \(row 2: .*long"),
        (
            "m.jsonl",
            '{"audio": "a", "text": "", "duration": [1], "domain": "a"}',
            r"duration is not a number: \[1\]",
        ),
        ("m.csv", "", "empty"),
        ("m.jsonl", "{not json", r"m\.jsonl:1: not valid JSON"),
        ("m.parquet", "not parquet", "not a readable table"),
        ("m.xlsx", "x", "the extension of a table"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        read_manifest(tmp_path / name)
    assert name in str(raised.value)


def test_a_million_rows_fit_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # for the memory-mapped copy
    count = 1_000_000
    table = pa.table(
        {
            "audio": pa.array([f"{i % 1000}.wav" for i in range(count)]),
            "text": pa.array(["раз два три"] * count),
            "duration": pa.array(np.full(count, 2.0, np.float32)),
            "domain": pa.array(["a", "b"] * (count // 2)).dictionary_encode(),
        }
    )
    write_manifest(table, tmp_path / "m.parquet", "russian-1")
    manifest = read_manifest(tmp_path / "m.parquet")
    assert len(manifest) == count
    assert manifest.text(999_999) == "раз два три"
    # 16.5 million rows need sixteen times this; Python objects would need ten times as much.
    assert manifest.table.nbytes < 160 * count
