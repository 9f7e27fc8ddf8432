"""Runs training in subprocesses, so that memory and threads of one run do not affect the next."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stt.errors import InputError

NEVER = 1_000_000_000  # epochs between checkpoints
TERMINATED = (128 + signal.SIGTERM, -signal.SIGTERM)  # the latter before training listens for the signal


class OutOfTime(InputError):  # noqa: N818 - a state of the work, not a fault
    """A subprocess was stopped by a signal, such as that of its deadline."""


@dataclass(frozen=True)
class Deadline:
    """Time by which subprocesses must have ended; before it they get SIGTERM, upon which training saves and exits."""

    at: float = math.inf  # of time.monotonic()
    grace: float = 30.0  # seconds for validating and saving; after them the process is killed

    @property
    def seconds_left(self) -> float:
        """Seconds until the signal."""
        return max(0.0, self.at - self.grace - time.monotonic())


def run_training(arguments: Sequence[str], output: Path, deadline: Deadline = Deadline()) -> None:
    """Run `train.py` and wait for it to finish; its output goes to a file.

    Raises:
        InputError: training failed; the message ends with the last line of output.
        OutOfTime: training was stopped; `--ckpt_path last` resumes it.
    """
    code = run_until(deadline, [sys.executable, "-m", "stt.cli.train", *arguments], output)
    if code in TERMINATED:
        raise OutOfTime(f"training was stopped by SIGTERM (see {output})")
    if code:
        lines = output.read_text(errors="replace").strip().splitlines() or ["no output"]
        raise InputError(f"training failed (see {output}): {lines[-1].removeprefix('error: ')}")


def run_until(deadline: Deadline, command: Sequence[str], output: Path) -> int:
    """Run a command and return its exit code; at the deadline it is terminated, and killed if that does not end it.

    Raises:
        OutOfTime: the command was killed.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process:
        try:
            return process.wait(None if math.isinf(deadline.at) else deadline.seconds_left)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                return process.wait(deadline.grace)
            except subprocess.TimeoutExpired as error:
                raise OutOfTime(f"killed {deadline.grace:g} s after SIGTERM (see {output})") from error
        finally:
            process.kill()  # does nothing if it has ended


def measure_training(
    arguments: Sequence[str],
    folder: Path,
    warmup: int,
    steps: int,
    deadline: Deadline = Deadline(),
) -> dict[str, Any]:
    """Train for a few steps and return the report of `StepProfiler`, without writing checkpoints or logs.

    Args:
        arguments: options of `train.py fit`.
        folder: folder for the measurements and the output.
        warmup: steps before the measurement.
        steps: steps to measure.
        deadline: time by which it must have finished.

    Raises:
        InputError: training failed.
        OutOfTime: the deadline came first.
    """
    times = folder / "step_times.json"
    short = [f"--trainer.max_steps={warmup + steps}", f"--data.batches_per_epoch={warmup + steps}"]
    short += ["--trainer.limit_val_batches=0", "--data.test=null", "--trainer.logger=false", f"--run={folder}"]
    short += [f"--last_checkpoint.every_n_epochs={NEVER}", "--trainer.enable_progress_bar=false"]
    short += ["--trainer.callbacks+=stt.training.callbacks.StepProfiler", f"--trainer.callbacks.out={times}"]
    short += [f"--trainer.callbacks.warmup={warmup}"]
    run_training(["fit", *arguments, *short], folder / "output.txt", deadline)
    measured: dict[str, Any] = json.loads(times.read_text())
    return measured
