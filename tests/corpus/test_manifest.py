import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stt.corpus.manifest import read_manifest, write_manifest
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
        lines += [comma.join("" if v is None else f'"{v}"' for v in row.values()) for row in ROWS]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("ending", [".parquet", ".jsonl", ".csv", ".tsv"])
def test_every_format_holds_the_same(tmp_path: Path, ending: str) -> None:
    manifest = read_manifest(written(tmp_path, ending))
    assert [manifest.text(row) for row in range(3)] == ["007", "да, нет", "null"]
    assert manifest.audio(0) == tmp_path / "a/1.wav"
    assert manifest.audio(1) == Path("/abs/2.wav")
    assert manifest.domains == ["calls", "radio"]
    assert manifest.domain_index.tolist() == [0, 1, 0]
    assert manifest.durations.tolist() == [1.5, 2.5, 3.0]
    assert [rows.tolist() for rows in manifest.rows_by_domain()] == [[0, 2], [1]]
    assert [rows.tolist() for rows in manifest.rows_by_domain(np.array([False, True, True]))] == [[2], [1]]
    assert manifest.window(0) == (0.0, None)
    assert manifest.normalizer == ("plain-1" if ending == ".parquet" else None)


def test_the_fingerprint_is_that_of_the_data_not_of_the_file(tmp_path: Path) -> None:
    prints = {read_manifest(written(tmp_path, ending)).fingerprint for ending in (".parquet", ".jsonl", ".csv")}
    assert len(prints) == 1
    other = [{**ROWS[0], "text": "008"}, *ROWS[1:]]
    write_manifest(pa.Table.from_pylist(other), tmp_path / "o.parquet", "plain-1")
    assert read_manifest(tmp_path / "o.parquet").fingerprint not in prints


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"duration": -1.0}, "duration.* in row 2"),
        ({"duration": float("nan")}, "duration.* in row 2"),
        ({"audio": ""}, "no audio in row 2"),
        ({"domain": ""}, "no domain in row 2"),
        ({"cer": 1.5}, r"cer outside 0\.\.1 in row 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_manifest(pa.Table.from_pylist([ROWS[0], {**ROWS[1], **change}]), tmp_path / "m.parquet", "plain-1")
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path / "m.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", "audio,text,duration,domain\n", "no rows"),
        ("m.csv", "audio,text,domain\na.wav,x,y\n", "duration is missing"),
        ("m.csv", "audio,text,duration,domain\na.wav,x,long,y\n", "duration does not hold numbers"),
        ("m.csv", "", "empty"),
        ("m.jsonl", "{not json", "not a readable table"),
        ("m.parquet", "not parquet", "not a readable table"),
        ("m.xlsx", "x", "ends in"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        read_manifest(tmp_path / name)
    assert name in str(raised.value)


def test_a_million_rows_stay_columns(tmp_path: Path) -> None:
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
    # 16.5 million rows are sixteen times this; with objects it would be ten times as much.
    assert manifest.table.nbytes < 120 * count
