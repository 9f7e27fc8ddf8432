"""Cleaning that is killed, or whose worker dies."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stt.cli.main import main
from tests.conftest import ROOT
from tests.corpus.steps.test_interrupted import children, files, wait_until
from tests.curation.steps.speech import bursts, write

pytestmark = pytest.mark.slow  # processes that import, work and die: a minute
COUNT = 12_000  # rows; the audio of all of them is in ten files


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    waveforms = [bursts(i, 1.0 if i else 0.29) for i in range(10)]
    rows = [{"audio": f"wav/{i % 10}.wav", "waveform": waveforms[i % 10], "text": "да"} for i in range(COUNT)]
    return write(tmp_path, rows)


def command(manifest: Path, out: Path, workers: int) -> list[str]:
    options = ["--workers", str(workers), "--max-same-audio", "900"]
    return ["corpus", "clean", str(manifest), "--out", str(out / "kept.parquet"), *options]


def start(manifest: Path, out: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Start the command and wait until the first shard is done; return it and its workers."""
    arguments = [sys.executable, "-m", "stt", *command(manifest, out, 2)]
    process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wait_until(lambda: list(out.glob(".kept.parquet.work-*/[0-9]*.parquet")) or process.poll() is not None)
    return process, children(process.pid)


def finish(manifest: Path, out: Path, workers: int) -> dict[str, bytes]:
    with pytest.raises(SystemExit) as done:
        main(command(manifest, out, workers))
    assert done.value.code == 0
    return files(out)


def test_what_is_killed_ends_with_the_same_bytes(manifest: Path, tmp_path: Path) -> None:
    whole = finish(manifest, tmp_path / "whole", 1)
    assert whole.keys() == {"kept.parquet", "kept.rejected.parquet"}
    out = tmp_path / "out"
    process, workers = start(manifest, out)
    assert len(workers) > 1
    process.kill()
    process.wait()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert not list(out.glob("*.parquet"))
    assert finish(manifest, out, 2) == whole


def test_a_worker_that_dies_is_one_sentence_and_the_same_command_continues(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process, workers = start(manifest, out)
    for pid in workers:
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
            break
    said = process.communicate()[1].decode()
    assert process.returncode == 2, said
    assert "a worker process died" in said
    assert "Traceback" not in said
    assert not list(out.glob("*.parquet"))
    assert finish(manifest, out, 1) == finish(manifest, tmp_path / "whole", 1)
