"""Keeps a run's logs and its folder to one training: no step twice, and no second process at the same time."""

from __future__ import annotations

import csv
import fcntl
from pathlib import Path
from typing import Any, TextIO

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from stt.data.batch import Batch
from stt.errors import InputError
from stt.files import atomic_write
from stt.training.callbacks.access import folder_of


class Resumption(Callback):
    """Locks the run folder while training, and lets the logs of a resumed run continue where its checkpoint was.

    Steps that a killed run had logged after its last checkpoint are trained again, so their rows are removed from the
    earlier logs. Lightning's step count for logging is off by one after resuming from the end of an epoch.
    """

    def __init__(self) -> None:
        """Start without a lock."""
        self._lock: TextIO | None = None
        self._unflushed = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lock the run folder.

        Raises:
            InputError: another process trains in it.
        """
        if stage != "fit" or not trainer.is_global_zero or not trainer.loggers or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        folder = folder_of(trainer)
        folder.path.mkdir(parents=True, exist_ok=True)
        self._lock = folder.lock.open("w")
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # unlike flock, not inherited by data workers
        except (BlockingIOError, PermissionError) as error:
            raise InputError(f"{folder.path}: a training is running in this folder: give another --run") from error

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the rows of steps that are about to be trained again, from the logs of earlier starts."""
        if self._lock is not None:
            # Not `trainer.log_dir`, which asks all ranks.
            current = [Path(logger.log_dir) for logger in trainer.loggers if isinstance(logger, CSVLogger)]
            for log in folder_of(trainer).logs:
                if log.parent not in current:
                    _remove_steps(log, trainer.global_step)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Log by the number of optimizer steps; after a checkpoint, flush the metrics that led to it."""
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step
        if self._unflushed:
            self._unflushed = False
            for logger in trainer.loggers:
                logger.save()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Flush the logs soon: the metrics of this step are logged after the checkpoint is written."""
        self._unflushed = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Unlock the run folder."""
        if stage == "fit" and self._lock is not None:
            self._lock.close()
            self._lock = None


def _remove_steps(log: Path, first: int) -> None:
    """Remove from a CSV log what training logged from step `first` on; results of tests stay."""
    with log.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows, names = list(reader), reader.fieldnames or []
    tested = [name for name in names if name.startswith("test/")]
    # A disk that was full, or a kill while Lightning rewrote the file, may have left half a row.
    whole = [row for row in rows if (row["step"] or "").isdecimal()]
    kept = [row for row in whole if int(row["step"]) < first or any(row[name] for name in tested)]
    if len(kept) < len(rows):
        with atomic_write(log) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(kept)
