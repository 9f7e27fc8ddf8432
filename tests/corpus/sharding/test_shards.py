import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from stt.corpus.manifest import Manifest, read_manifest, read_manifests, write_manifest
from stt.corpus.report import Report
from stt.corpus.sharding.engine import Engine, result_of, submit
from stt.corpus.sharding.shards import BadRow, Part, edges_by_seconds, run_shards
from stt.errors import InputError
from tests.corpus.engines import Threads


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    rows = [
        {"id": str(i), "audio": f"{i}.wav", "text": f"t{i}", "duration": 1.0 + i % 3, "domain": "ab"[i % 2]}
        for i in range(10)
    ]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    return read_manifest(tmp_path / "m.parquet")


def kept(calls: Path, rows: Manifest, name: str) -> Part:
    with calls.open("a") as file:
        file.write(f"{name}\n")
    return Part(rows.table)


def odd_are_bad(rows: Manifest, name: str) -> Part:
    odd = [int(str(rows.value(row, "id"))) % 2 == 1 for row in range(len(rows))]
    bad = [BadRow(rows.where(row), "odd", "it is odd") for row, is_odd in enumerate(odd) if is_odd]
    return Part(rows.table.filter(pa.array([not one for one in odd])), bad)


def fails_at(number: str, rows: Manifest, name: str) -> Part:
    if name == number:
        raise ZeroDivisionError("a bug")
    return Part(rows.table)


def dies_at(number: str, rows: Manifest, name: str) -> Part:
    if name == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return Part(rows.table)


def ids(table: pa.Table) -> list[str]:
    return [str(one) for one in table["id"].to_pylist()]


def run(
    manifest: Manifest, work: Callable[[Manifest, str], Part], engine: Engine, skip_bad: bool = False
) -> tuple[pa.Table, Report]:
    return run_shards(manifest, work, [0, 4, 8, 10], manifest.path.parent / "work", engine, skip_bad, "testing")


def test_shards_cover_all_rows_once_and_have_about_the_asked_duration(manifest: Manifest) -> None:
    for seconds in (0.5, 1, 5, 7.5, 1000):
        edges = edges_by_seconds(manifest, seconds)
        assert edges[0] == 0
        assert edges[-1] == len(manifest)
        assert edges == sorted(set(edges))
        assert all(manifest.durations[a:b].sum() < seconds + 3 for a, b in pairwise(edges))
    assert edges_by_seconds(manifest, 1000, max_rows=4) == [0, 4, 8, 10]


def test_the_rows_come_back_in_order_and_finished_shards_are_not_done_again(manifest: Manifest, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    table, report = run(manifest, partial(kept, calls), Threads())
    assert ids(table) == ids(manifest.table)
    assert (report.kept, report.bad_count) == (10, 0)
    assert sorted(calls.read_text().split()) == ["000000", "000001", "000002"]
    (tmp_path / "work" / "000001.parquet").unlink()
    (tmp_path / "work" / ".000001.parquet.x.parquet").write_text("half of a shard")
    assert ids(run(manifest, partial(kept, calls), Threads())[0]) == ids(manifest.table)
    assert calls.read_text().split()[3:] == ["000001"]
    assert len(list((tmp_path / "work").iterdir())) == 3


def test_bad_rows_are_listed_and_their_shards_are_done_again_unless_they_are_allowed(
    manifest: Manifest, tmp_path: Path
) -> None:
    table, report = run(manifest, odd_are_bad, Threads(), skip_bad=False)
    assert [where.rpartition("row ")[2] for where, _ in report.bad["odd"]] == ["2", "4", "6", "8", "10"]
    assert not list((tmp_path / "work").iterdir())
    table, report = run(manifest, odd_are_bad, Threads(), skip_bad=True)
    assert ids(table) == ["0", "2", "4", "6", "8"]
    assert len(list((tmp_path / "work").iterdir())) == 3
    assert run(manifest, odd_are_bad, Threads(), skip_bad=True)[1].bad == report.bad  # of an earlier attempt


def test_a_damaged_shard_is_named_and_done_again(manifest: Manifest, tmp_path: Path) -> None:
    run(manifest, partial(kept, tmp_path / "calls"), Threads())
    path = tmp_path / "work" / "000001.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"000001.parquet is damaged .* start the command again"):
        run(manifest, partial(kept, tmp_path / "calls"), Threads())
    assert ids(run(manifest, partial(kept, tmp_path / "calls"), Threads())[0]) == ids(manifest.table)


def test_a_shard_that_fails_is_named_and_the_finished_ones_stay(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"shard 000002: a worker process failed \(ZeroDivisionError: a bug\)"):
        run(manifest, partial(fails_at, "000002"), Threads())
    assert (tmp_path / "work" / "000000.parquet").is_file()
    assert ids(run(manifest, partial(fails_at, "none"), Threads())[0]) == ids(manifest.table)


def test_a_worker_that_is_killed_ends_the_command_and_the_next_one_continues(
    manifest: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="a worker process died: it was killed, or there was no memory left; finished"):
        run(manifest, partial(dies_at, "000002"), Engine(workers=1))
    calls = tmp_path / "calls"
    assert ids(run(manifest, partial(kept, calls), Threads())[0]) == ids(manifest.table)
    assert "000000" not in calls.read_text()


def test_a_worker_that_died_before_the_next_task_is_no_traceback() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert isinstance(submit(executor, os._exit, 1).exception(), BrokenProcessPool)
        with pytest.raises(InputError, match="a worker process died"):
            result_of(submit(executor, os.getpid))


def test_a_slice_in_another_process_knows_its_rows_and_carries_no_others(manifest: Manifest, tmp_path: Path) -> None:
    other = tmp_path / "o.parquet"
    row = {"audio": "x.wav", "text": "t" * 50, "duration": 1.0, "domain": "c"}
    rows = [{**row, "id": f"o{i}", "speaker": f"s{i}"} for i in range(5000)]
    write_manifest(pa.Table.from_pylist(rows), other, "plain-1")
    both = read_manifests([manifest.path, other])
    data = both.slice(8, 12).to_bytes()
    part = Manifest.from_bytes(data)
    assert len(data) < 20_000
    assert [part.where(row) for row in range(4)] == [both.where(row) for row in range(8, 12)]
    assert part.table.to_pylist() == both.table.slice(8, 4).to_pylist()
    assert part.domains == ["a", "b", "c"]
    assert part.normalizer == "plain-1"
    assert part.audio(1) == both.audio(9)


def test_a_slice_without_offsets_of_a_manifest_with_offsets_is_still_one_of_windows(tmp_path: Path) -> None:
    rows = [{"audio": "x.wav", "text": "t", "duration": 1.0, "domain": "c", "offset": offset} for offset in (None, 1.0)]
    write_manifest(pa.Table.from_pylist(rows), tmp_path / "m.parquet", "plain-1")
    manifest = read_manifest(tmp_path / "m.parquet")
    assert manifest.slice(0, 1).window(0) == manifest.window(0) == (0.0, 1.0)
