"""Runs training in subprocesses, so that memory and threads of one run do not affect the next."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stt.errors import InputError

NEVER = 1_000_000_000  # epochs between checkpoints


def run_training(arguments: Sequence[str], output: Path) -> None:
    """Run `train.py` and wait for it to finish; its output goes to a file.

    Raises:
        InputError: training failed; the message ends with the last line of output.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w") as file:
        command = [sys.executable, "-m", "stt.cli.train", *arguments]
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = output.read_text(errors="replace").strip().splitlines() or ["no output"]
        raise InputError(f"training failed (see {output}): {lines[-1].removeprefix('error: ')}")


def measure_training(arguments: Sequence[str], folder: Path, warmup: int, steps: int) -> dict[str, Any]:
    """Train for a few steps and return the report of `StepProfiler`, without writing checkpoints or logs.

    Args:
        arguments: options of `train.py fit`.
        folder: folder for the measurements and the output.
        warmup: steps before the measurement.
        steps: steps to measure.

    Raises:
        InputError: training failed.
    """
    times = folder / "step_times.json"
    short = [f"--trainer.max_steps={warmup + steps}", f"--data.batches_per_epoch={warmup + steps}"]
    short += ["--trainer.limit_val_batches=0", "--data.test=null", "--trainer.logger=false", f"--run={folder}"]
    short += [f"--last_checkpoint.every_n_epochs={NEVER}", "--trainer.enable_progress_bar=false"]
    short += ["--trainer.callbacks+=stt.training.callbacks.StepProfiler", f"--trainer.callbacks.out={times}"]
    short += [f"--trainer.callbacks.warmup={warmup}"]
    run_training(["fit", *arguments, *short], folder / "output.txt")
    measured: dict[str, Any] = json.loads(times.read_text())
    return measured
