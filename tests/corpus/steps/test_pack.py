import csv
import json
import resource
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from stt.audio.io import read_audio
from stt.cli.main import main
from stt.corpus.manifest import read_manifest, write_manifest
from stt.corpus.provenance import read_step
from stt.corpus.steps.pack import run
from stt.curation.steps import steps
from stt.errors import InputError
from tests.corpus.engines import RATE, Threads, corpus, plain


def pack(manifest: Path, out: Path, **options: object) -> Path:
    return run(read_manifest(manifest), out=out, engine=Threads(), **options).path  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


def test_every_file_is_a_step() -> None:
    assert "pack" in steps()


def test_the_command_packs_and_a_finished_one_is_not_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = corpus(tmp_path)
    for _ in range(2):
        with pytest.raises(SystemExit) as done:
            main(["corpus", "pack", str(manifest), "--out", str(tmp_path / "out"), "--codec", "flac", "--workers", "1"])
        assert done.value.code == 0
        said = capsys.readouterr().out
        assert "space saved" in said
        assert "12 rows, 0.00 hours, written to" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.parquet", "out", "wav"]
    assert [path.name for path in (tmp_path / "out").iterdir()]


@pytest.mark.parametrize("codec", ["flac", "opus"])
def test_packed_audio_is_read_at_random_and_all_other_columns_are_kept(tmp_path: Path, codec: str) -> None:
    before = read_manifest(corpus(tmp_path))
    packed = read_manifest(pack(before.path, tmp_path / "out", codec=codec))
    assert plain(packed.path) == plain(before.path)
    assert packed.normalizer == "plain-1"
    shutil.rmtree(tmp_path / "wav")
    for row in np.random.default_rng(0).permutation(len(packed)).tolist():
        waveform = packed.waveform(row, RATE)
        assert len(waveform) == RATE
        if codec == "flac":
            rng = np.random.default_rng(row)
            written = rng.uniform(-0.5, 0.5, RATE).astype(np.float32)
            np.testing.assert_allclose(waveform, written, atol=1 / 32767)


def test_the_tar_files_are_in_the_convention_of_webdataset(tmp_path: Path) -> None:
    manifest = read_manifest(pack(corpus(tmp_path, 3), tmp_path / "out", codec="flac"))
    with tarfile.open(tmp_path / "out" / "m-000000.tar") as archive:
        names = archive.getnames()
        contents = [archive.extractfile(name) for name in names]
        data = [one.read() for one in contents if one]
    keys = [name.split(".", 1) for name in names]
    assert [extension for _, extension in keys] == ["flac", "json"] * 3
    assert all(keys[i][0] == keys[i + 1][0] for i in (0, 2, 4))
    for row in range(3):
        source = manifest.audio(row)
        assert data[2 * row] == source.open().getvalue()  # type: ignore[union-attr]
        fields = json.loads(data[2 * row + 1])
        assert fields["id"] == f"u.{row}/x"
        assert (fields["text"], fields["mine"], fields["domain"]) == (f"текст {row}", row * 10, "ab"[row % 2])


def test_windows_of_long_audio_and_other_rates_become_whole_files(tmp_path: Path) -> None:
    ramp = np.linspace(0, 0.9, 48_000 * 4).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", np.stack([ramp, ramp], axis=1), 48_000)
    rows = [
        {"audio": "long.wav", "text": "a", "duration": 1.0, "domain": "d", "offset": float(start)} for start in (2, 0)
    ]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    packed = read_manifest(pack(tmp_path / "m.parquet", tmp_path / "out", codec="flac"))
    assert not packed.has_offsets
    for row in range(2):
        expected = read_manifest(tmp_path / "m.parquet").waveform(row, RATE)
        np.testing.assert_allclose(packed.waveform(row, RATE), expected, atol=1 / 32767)


def test_the_same_corpus_gives_the_same_bytes_in_any_number_of_shards_done_at_once(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, 6)
    for codec in ("opus", "flac"):
        first, second = tmp_path / f"1{codec}", tmp_path / f"2{codec}"
        pack(manifest, first, codec=codec)
        pack(manifest, second, codec=codec)
        assert files(first) == files(second)


def test_bad_rows_are_listed_and_mended_audio_is_packed(tmp_path: Path, fails: Callable[..., str]) -> None:
    manifest = corpus(tmp_path)
    (tmp_path / "wav" / "3.wav").unlink()
    soundfile.write(tmp_path / "wav" / "5.wav", np.zeros(RATE // 2), RATE)
    args = ["corpus", "pack", str(manifest), "--out", str(tmp_path / "out"), "--workers", "1"]
    said = fails(main, args)
    assert "2 of 12 rows are bad, the folder was not created" in said
    assert "m.parquet: row 4" in said
    assert not (tmp_path / "out").exists()
    assert "expected 1 s, found 0.50 s" in (tmp_path / "out.bad.csv").read_text()
    skipped = tmp_path / "skipped"
    assert len(read_manifest(pack(manifest, skipped, skip_bad=True))) == 10
    with (skipped / "m.bad.csv").open() as file:
        assert [row["where"].rpartition(" ")[2] for row in csv.DictReader(file)] == ["4", "6"]
    step = read_step(skipped / "m.parquet")
    assert step is not None
    assert (step.rows_in, step.rows_out, step.skipped) == ({"a": 6, "b": 6}, {"a": 6, "b": 4}, {"unreadable audio": 2})
    for number in (3, 5):
        soundfile.write(tmp_path / "wav" / f"{number}.wav", np.zeros(RATE), RATE)
    assert len(read_manifest(pack(manifest, tmp_path / "out"))) == 12
    assert not (tmp_path / "out.bad.csv").exists()


def test_shards_without_bad_rows_are_not_packed_again_if_the_bad_ones_are_skipped(tmp_path: Path) -> None:
    manifest, out = corpus(tmp_path, 6, seconds=20.0), tmp_path / "out"
    (tmp_path / "wav" / "5.wav").unlink()
    with pytest.raises(InputError, match="1 of 6 rows are bad"):
        pack(manifest, out, codec="flac", shard_mb=1)
    (tmp_path / "wav" / "0.wav").unlink()  # so that it cannot be packed again
    packed = pack(manifest, out, codec="flac", shard_mb=1, skip_bad=True)
    assert len(read_manifest(packed)) == 5
    assert len(list(out.glob("*.tar"))) > 1


def test_the_list_of_bad_rows_does_not_stay_when_the_audio_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, out = corpus(tmp_path), tmp_path / "out"
    (tmp_path / "wav" / "3.wav").rename(tmp_path / "3.wav")
    with monkeypatch.context() as patched:
        patched.setattr("stt.corpus.steps.pack.write_manifest", lambda *_: 1 / 0)  # killed after the list
        with pytest.raises(ZeroDivisionError):
            pack(manifest, out, skip_bad=True)
    (tmp_path / "3.wav").rename(tmp_path / "wav" / "3.wav")
    with pytest.raises(InputError, match="1 of 12 rows are bad"):
        pack(manifest, out)  # found by the attempt before; it is packed again after this
    assert len(read_manifest(pack(manifest, out))) == 12
    assert sorted(path.suffix for path in out.iterdir()) == [".parquet", ".tar"]


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").touch()
    with pytest.raises(InputError, match="the folder is not empty"):
        pack(corpus(tmp_path), tmp_path / "out")
    with pytest.raises(InputError, match="Opus has"):
        pack(corpus(tmp_path), tmp_path / "new", sample_rate=11_025)


def test_a_manifest_in_another_encoding_is_named(tmp_path: Path, fails: Callable[..., str]) -> None:
    content = "audio,text,duration,domain\na.wav,привет мир,1.0,d\n"
    (tmp_path / "m.csv").write_bytes(content.encode("cp1251"))
    (tmp_path / "n.csv").write_bytes(content.encode("utf-16"))
    for name, encoding in (("m.csv", "cp1251"), ("n.csv", "UTF-16")):
        for command, out in (("pack", "out"), ("merge", "all.parquet")):
            said = fails(main, ["corpus", command, str(tmp_path / name), "--out", str(tmp_path / out)])
            assert f"{name}: the encoding looks like {encoding}" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "n.csv"]


def test_a_tar_file_that_was_cut_off_is_named_with_the_row(tmp_path: Path) -> None:
    packed = read_manifest(pack(corpus(tmp_path), tmp_path / "out", codec="flac"))
    tar = tmp_path / "out" / "m-000000.tar"
    tar.write_bytes(tar.read_bytes()[: packed.audio(7).byte_offset or 0 + 100])
    assert len(packed.waveform(6, RATE)) == RATE
    for row in (7, 11):
        with pytest.raises(InputError, match=rf"m.parquet: row {row + 1}: .*m-000000.tar .*the file is too short"):
            packed.waveform(row, RATE)


def test_a_full_disk_leaves_no_half_shard_and_the_next_attempt_continues(
    tmp_path: Path, limited: Callable[[int], None]
) -> None:
    manifest = corpus(tmp_path, 90)
    whole = files(pack(manifest, tmp_path / "whole", codec="flac", shard_mb=1).parent)
    sizes = [len(data) for name, data in whole.items() if name.endswith(".tar")]
    limited(sum(sizes) // 2)  # the first does not fit
    with pytest.raises(InputError, match=r"\.tar cannot be written: File too large; finished shards are kept"):
        pack(manifest, tmp_path / "out", codec="flac", shard_mb=1)
    assert not (tmp_path / "out").exists()
    (work,) = tmp_path.glob(".out.work-*")
    assert [path.name for path in (work / "packed").iterdir()] == ["m-000001.tar"]
    limited(resource.RLIM_INFINITY)
    assert files(pack(manifest, tmp_path / "out", codec="flac", shard_mb=1).parent) == whole
    assert not list(tmp_path.glob(".out.work-*"))


def test_opus_of_real_speech_is_copied(real_speech: Path, tmp_path: Path) -> None:
    paths = sorted((real_speech / "speechocean762" / "opus").glob("*.opus"))[:3]
    if not paths:
        pytest.skip("no Opus files of speechocean762")
    rows = [
        {"audio": str(path), "text": "x", "duration": len(read_audio(path, RATE)) / RATE, "domain": "d"}
        for path in paths
    ]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    packed = read_manifest(pack(tmp_path / "m.parquet", tmp_path / "out"))
    for row, path in enumerate(paths):
        assert packed.audio(row).open().getvalue() == path.read_bytes()  # type: ignore[union-attr]


def test_whole_files_are_copied_also_beside_windows_of_others(tmp_path: Path) -> None:
    once = read_manifest(pack(corpus(tmp_path, 3), tmp_path / "once", codec="flac"))
    table = once.table
    for name, values in {"offset": [None, 0.25, 0.0], "duration": [1.0, 0.5, 1.0]}.items():
        column = pa.array(values, table[name].type)
        table = table.set_column(table.column_names.index(name), name, column)
    write_manifest(table, tmp_path / "once" / "mixed.parquet", "plain-1")
    again = read_manifest(pack(tmp_path / "once" / "mixed.parquet", tmp_path / "again", codec="flac"))
    for row in (0, 2):
        assert again.audio(row).open().getvalue() == once.audio(row).open().getvalue()  # type: ignore[union-attr]
    assert len(again.waveform(1, RATE)) == RATE // 2
