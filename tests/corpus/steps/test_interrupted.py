"""Packing that is killed, on one machine and on a cluster, and a disk that is full."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stt.cli.main import main
from stt.corpus.manifest import read_manifest
from stt.corpus.sharding.engine import Engine
from stt.corpus.steps.pack import run
from tests.conftest import ROOT
from tests.corpus.engines import corpus

pytestmark = pytest.mark.slow  # processes that import, work and die: a minute
OPTIONS = ("--codec", "flac", "--shard-mb", "1")


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def packed(manifest: Path, out: Path, engine: Engine) -> dict[str, bytes]:
    return files(run(read_manifest(manifest), out=out, engine=engine, codec="flac", shard_mb=1).path.parent)


def shards_done(folder: Path, name: str) -> int:
    return len(list(folder.glob(f".{name}.work-*/shards/[0-9]*.parquet")))


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended in the meantime
            continue
        if int(fields[1]) == parent:
            found.append(int(folder.name))
    return found


def test_what_is_killed_again_and_again_ends_with_the_same_bytes(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, 350)
    whole = packed(manifest, tmp_path / "whole", Engine(workers=1))
    command = [sys.executable, "-m", "stt", "corpus", "pack", str(manifest), "--out", str(tmp_path / "out"), *OPTIONS]
    for kill in range(3):
        process = subprocess.Popen([*command, "--workers", "2"], cwd=ROOT, stderr=subprocess.DEVNULL)
        wait_until(lambda enough=2 * kill + 1: shards_done(tmp_path, "out") >= enough)
        workers = children(process.pid)
        assert len(workers) > 1
        process.kill()
        process.wait()
        wait_until(lambda pids=workers: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as done:
        main([*command[3:], "--workers", "2"])
    assert done.value.code == 0
    assert files(tmp_path / "out") == whole
    assert not list(tmp_path.glob(".out*"))


def test_a_cluster_that_loses_a_worker_packs_the_same(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    manifest = corpus(tmp_path, 350)
    whole = packed(manifest, tmp_path / "whole", Engine(workers=1))
    with (
        distributed.LocalCluster(2, processes=True, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))

        def kill() -> None:
            wait_until(lambda: shards_done(tmp_path, "out") >= 1)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        found = packed(manifest, tmp_path / "out", Engine(cluster=cluster.scheduler_address))
        killer.join()
        assert not Path(f"/proc/{victim}").exists()
    assert found == whole


def test_a_cluster_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., str]
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("stt.corpus.sharding.engine.CONNECT_SECONDS", 1)
    args = ["corpus", "pack", str(corpus(tmp_path)), "--out", str(tmp_path / "out"), "--cluster", "tcp://127.0.0.1:9"]
    assert "--cluster tcp://127.0.0.1:9: no scheduler with workers answers there" in fails(main, args)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("file systems can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_with_a_sentence_and_space_lets_it_continue(
    tmp_path: Path, small_disk: Path, fails: Callable[..., str]
) -> None:
    manifest = corpus(tmp_path, 170)
    args = ["corpus", "pack", str(manifest), "--out", str(small_disk / "out"), *OPTIONS, "--workers", "1"]
    said = fails(main, args)
    assert "cannot be written: No space left on device; finished shards are kept in" in said
    assert not (small_disk / "out").exists()
    assert shards_done(small_disk, "out") >= 1
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    with pytest.raises(SystemExit) as done:
        main(args)
    assert done.value.code == 0
    assert len(read_manifest(small_disk / "out" / "m.parquet")) == 170
    assert not list(small_disk.glob(".out*"))
