from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from stt.cli.main import main
from stt.corpus.manifest import read_manifest, write_manifest
from stt.corpus.provenance import STEP_KEY, read_step
from stt.errors import InputError
from tests.corpus.engines import Threads, corpus
from tests.corpus.test_importers import sound


def output(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    with pytest.raises(SystemExit) as done:
        main(list(args))
    said = capsys.readouterr()
    assert done.value.code == 0, said.err
    return said.out


def table(folder: Path, count: int = 60) -> Path:
    sound(folder / "1.wav")
    lines = [f"1.wav,text {i},{'ab'[i % 2]},{i}" for i in range(count)]
    (folder / "t.csv").write_text("\n".join(["audio,text,domain,id", *lines, "missing.wav,x,a,m"]) + "\n")
    return folder / "t.csv"


def test_the_chain_of_import_hold_out_pack_and_merge_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    out = tmp_path / "m.parquet"
    importing = ("corpus", "import", "table", str(table(tmp_path)), "--out", str(out))
    output(capsys, *importing, "--skip-bad", "--hold-out", "0.2")
    said = output(capsys, "corpus", "history", str(tmp_path / "m.test.parquet")).splitlines()
    assert said[0].startswith("1970-01-02T00:00:00+00:00  import (version 1) format=table normalizer=plain-1")
    assert said[1].startswith("  from t.csv (")
    assert said[2] == "  61 rows in, 60 out: a 31 -> 30, b 30"
    assert said[3] == "  skipped: unreadable audio: 1 rows"
    assert said[4].endswith("hold out (version 2) share=0.2 split=test")
    assert said[6].startswith("  60 rows in, ")
    assert f"m.parquet ({read_manifest(out).fingerprint[:16]})" in said[5]

    from stt.corpus.steps.pack import run

    packed = run(read_manifest(tmp_path / "m.test.parquet"), out=tmp_path / "packed", engine=Threads())
    parts = (str(tmp_path / "m.train.parquet"), str(packed.path))
    output(capsys, "corpus", "merge", *parts, "--out", str(tmp_path / "new" / "all.parquet"))
    said_all = output(capsys, "corpus", "history", str(tmp_path / "new" / "all.parquet"))
    steps = [line.split("  ")[-1].split(" (")[0] for line in said_all.splitlines() if "+00:00" in line]
    assert steps == ["import", "hold out", "import", "hold out", "pack", "merge"]
    merged = read_manifest(tmp_path / "new" / "all.parquet")
    assert len(merged) == len(read_manifest(parts[0])) + len(packed)
    assert all(len(merged.waveform(row, 8_000)) == 8_000 for row in (0, len(merged) - 1))


def test_a_manifest_without_a_record_says_so_and_a_damaged_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = corpus(tmp_path, 2)
    assert "nothing is recorded" in output(capsys, "corpus", "history", str(manifest))
    for damaged in (b"{", b"[]", b'{"inputs": [{}]}', b"{}", b'{"inputs": [], "name": "x"}'):
        written = read_manifest(manifest).table.replace_schema_metadata({STEP_KEY: damaged})
        pyarrow.parquet.write_table(written, tmp_path / "d.parquet")
        with pytest.raises(InputError, match=r"d.parquet: its record of steps is damaged"):
            read_step(tmp_path / "d.parquet")
    (tmp_path / "x.parquet").write_text("no table")
    with pytest.raises(InputError, match="not a readable table"):
        read_step(tmp_path / "x.parquet")


def test_merging_unites_columns_moves_addresses_and_refuses_equal_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = corpus(tmp_path / "a", 3)
    rows = [{"id": "n", "audio": "s3://bucket/x.flac", "text": "x", "duration": 1.0, "domain": "c", "more": 1.5}]
    rows += [{**rows[0], "id": "o", "audio": "/absolute/x.flac"}]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "b.parquet", "plain-1")
    out = tmp_path / "all.parquet"
    output(capsys, "corpus", "merge", str(first), str(tmp_path / "b.parquet"), "--out", str(out))
    merged = read_manifest(out).table
    assert merged["audio"].to_pylist() == [
        *(f"a/wav/{i}.wav" for i in range(3)), "s3://bucket/x.flac", "/absolute/x.flac"
    ]  # fmt: skip
    assert merged["mine"].to_pylist() == [0, 10, 20, None, None]
    assert merged["more"].to_pylist() == [None, None, None, 1.5, 1.5]
    elsewhere = tmp_path / "c" / "all.parquet"
    output(capsys, "corpus", "merge", str(first), str(tmp_path / "b.parquet"), "--out", str(elsewhere))
    assert read_manifest(elsewhere).audio(0).address == str(tmp_path / "a" / "wav" / "0.wav")
    with pytest.raises(SystemExit) as refused:
        main(["corpus", "merge", str(first), str(first), "--out", str(tmp_path / "twice.parquet")])
    assert refused.value.code == 2
    assert "duplicate id u.0/x" in capsys.readouterr().err
    assert not (tmp_path / "twice.parquet").exists()


def test_processes_import_what_threads_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    source = table(tmp_path, 30)
    contents = []
    for name in ("threads", "processes"):
        out = tmp_path / f"{name}.parquet"
        args = ["corpus", "import", "table", str(source), "--out", str(out), "--skip-bad"]
        with pytest.raises(SystemExit) as done:
            main([*args, "--workers", "2"] if name == "processes" else args)
        assert done.value.code == 0
        contents.append((out.read_bytes(), out.with_suffix(".bad.csv").read_bytes()))
    assert contents[0] == contents[1]
    assert np.all(read_manifest(tmp_path / "processes.parquet").durations == 1)
