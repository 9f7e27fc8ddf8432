"""The checkpoints of every run: the best by validation, and the last one to resume from."""

from __future__ import annotations

from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from stt.runs.folder import BEST, LAST
from stt.runs.metric_names import BEST_CER
from stt.training.callbacks.access import folder_of


class RunFolderCheckpoint(ModelCheckpoint):
    """Writes checkpoints into the run folder, unless another folder is given."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the folder."""
        self.dirpath = self.dirpath or str(folder_of(trainer).checkpoints)
        super().setup(trainer, pl_module, stage)


class BestCheckpoint(RunFolderCheckpoint):
    """Keeps the checkpoint with the best validation result."""

    def __init__(
        self, monitor: str = BEST_CER, mode: str = "min", save_top_k: int = 1, dirpath: str | None = None
    ) -> None:
        """Set the criterion.

        Args:
            monitor: metric to compare.
            mode: `min` or `max`: whether lower or higher is better.
            save_top_k: number of best checkpoints to keep; 0 keeps none.
            dirpath: folder; None uses the run folder.
        """
        super().__init__(
            dirpath,
            BEST,
            monitor,
            mode=mode,
            save_top_k=save_top_k,
            save_on_train_epoch_end=False,
            enable_version_counter=save_top_k != 1,
        )


class LastCheckpoint(RunFolderCheckpoint):
    """Saves a checkpoint to resume from at the end of every epoch, or more often, overwriting the previous one.

    A separate callback, because Lightning's `save_last` only saves when there is a new best checkpoint.
    """

    def __init__(
        self, every_n_train_steps: int | None = None, every_n_epochs: int | None = None, dirpath: str | None = None
    ) -> None:
        """Set the interval.

        Args:
            every_n_train_steps: optimizer steps between checkpoints, in addition to the end of each epoch.
            every_n_epochs: epochs between checkpoints; None means every epoch.
            dirpath: folder; None uses the run folder.
        """
        super().__init__(
            dirpath,
            LAST,
            every_n_epochs=every_n_epochs or 1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self._every_n_train_steps = every_n_train_steps or 0  # Lightning takes one of the two intervals

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if due; an epoch's last step is saved after its validation, which resuming would otherwise skip."""
        if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to overwrite another run.

        Raises:
            InputError: the folder already holds a run.
        """
        if not trainer.ckpt_path and not trainer.global_step and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            folder_of(trainer).check_unused()
