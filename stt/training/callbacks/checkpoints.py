"""The checkpoints of every run: the best by validation, and the last to resume from."""

from __future__ import annotations

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from stt.runs.folder import BEST, LAST
from stt.runs.metric_names import BEST_CER
from stt.training.callbacks.access import folder_of


class RunFolderCheckpoint(ModelCheckpoint):
    """Writes into the folder of the run, where no other is named."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder."""
        self.dirpath = self.dirpath or str(folder_of(trainer).checkpoints)
        super().setup(trainer, pl_module, stage)


class BestCheckpoint(RunFolderCheckpoint):
    """Writes the checkpoint of the best validation into the folder of the run."""

    def __init__(
        self, monitor: str = BEST_CER, mode: str = "min", save_top_k: int = 1, dirpath: str | None = None
    ) -> None:
        """Say what is best.

        Args:
            monitor: metric that decides.
            mode: `min` or `max`: whether less or more of it is better.
            save_top_k: how many of the best to keep; 0 keeps none.
            dirpath: folder; None takes that of the run.
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
    """Writes a checkpoint to resume from at the end of every epoch, or more often, over the one before.

    A callback of its own: `save_last` of Lightning's writes only when a new best is written.
    """

    def __init__(
        self, every_n_train_steps: int | None = None, every_n_epochs: int | None = None, dirpath: str | None = None
    ) -> None:
        """Say how often.

        Args:
            every_n_train_steps: optimizer steps between two, at the ends of epochs as well.
            every_n_epochs: epochs between two; None is every epoch.
            dirpath: folder; None takes that of the run.
        """
        super().__init__(
            dirpath,
            LAST,
            every_n_train_steps=every_n_train_steps,
            every_n_epochs=every_n_epochs,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See to it that a new training does not write over another one.

        Raises:
            InputError: the folder already holds a run.
        """
        if not trainer.ckpt_path and not trainer.global_step and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            folder_of(trainer).check_unused()
