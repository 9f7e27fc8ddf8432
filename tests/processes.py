"""Starts trainings in processes of their own, which tests can kill."""

from __future__ import annotations

import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT

# As before any training: in this process W&B sets a variable that would make others use its service.
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "TORCHELASTIC"))}
PLAIN["OMP_NUM_THREADS"] = "1"
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["stt.cli.train"])


def started(
    args: list[str], *, launcher: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start train.py as a user does."""
    command = [sys.executable, *launcher, str(ROOT / "train.py"), *args]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, env={**PLAIN, **(environment or {})}, stdout=pipe, stderr=pipe, text=True
    )


class Forked:
    """train.py as a fork of a process that has imported it, which takes no seconds.

    Without data workers: those would be children of that process, and outlive a killed training.
    """

    def __init__(self, args: list[str], environment: Mapping[str, str] | None = None) -> None:
        file, name = tempfile.mkstemp()
        os.close(file)
        self._said = Path(name)
        self._process = SERVER.Process(target=_train, args=(args, {**PLAIN, **(environment or {})}, name))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it said, all of it as standard error, once it has ended."""
        self._process.join(timeout)
        if self._process.is_alive():
            self._process.kill()
            raise subprocess.TimeoutExpired("train.py", timeout)
        said = self._said.read_text()
        self._said.unlink()
        return "", said


def forked_ranks(args: list[str]) -> list[Forked]:
    """Two ranks that find each other as those that Lightning starts do."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [Forked(args, {**address, "LOCAL_RANK": str(rank)}) for rank in range(2)]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _train(args: list[str], environment: Mapping[str, str], said: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    with open(said, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from stt.cli.train import main

    main(args)


def finished(*processes: subprocess.Popen[str] | Forked, code: int = 0) -> None:
    ended = [(process.communicate(timeout=240)[1], process.returncode) for process in processes]
    for said, returned in ended:
        assert returned == code, said
