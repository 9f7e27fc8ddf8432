"""Starts trainings in processes of their own, so that memory and threads of one do not reach the next."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stt.errors import InputError

NEVER = 1_000_000_000  # epochs between two checkpoints


def run_training(arguments: Sequence[str], output: Path) -> None:
    """Run the command line of training (`train.py`) and wait for it; its output goes to a file.

    Raises:
        InputError: it failed; the message ends with the last line that it printed.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w") as file:
        command = [sys.executable, "-m", "stt.cli.train", *arguments]
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = output.read_text(errors="replace").strip().splitlines() or ["it printed nothing"]
        raise InputError(f"a training failed (see {output}): {lines[-1].removeprefix('error: ')}")


def measure_training(arguments: Sequence[str], folder: Path, warmup: int, steps: int) -> dict[str, Any]:
    """Train some steps and give what `StepProfiler` writes of them; neither checkpoints nor logs are left.

    Args:
        arguments: configuration of the training, as for `train.py fit`.
        folder: where the measurements and the output go.
        warmup: steps before measuring.
        steps: steps to measure.

    Raises:
        InputError: the training failed.
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
