"""A callback for tests: writes down what every rank trains on, and ends the process like a power cut."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from stt.data.batch import Batch


class Recorder(Callback):
    def __init__(self, folder: str, kill_at: int = -1, number: int = 9, rank: int | None = None) -> None:
        self.folder = Path(folder)
        self.kill_at = kill_at
        self.number = number  # of the signal: SIGKILL, like a power cut, or SIGTERM
        self.rank = rank  # that is signalled; None: all

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        if trainer.global_step == self.kill_at and self.rank in (None, trainer.global_rank):
            os.kill(os.getpid(), self.number)
        with (self.folder / f"rank{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps([trainer.global_step, batch.rows]) + "\n")


class WorkerKiller(Callback):
    """Kills the processes that load data, as the system does when memory is full."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        if trainer.global_step == 2:
            for child in multiprocessing.active_children():
                child.kill()


def recorded(folder: Path, rank: int = 0) -> dict[int, Any]:
    """Rows of each step; where a step was trained twice, those of the second time."""
    return dict(json.loads(line) for line in (folder / f"rank{rank}.jsonl").read_text().splitlines())
