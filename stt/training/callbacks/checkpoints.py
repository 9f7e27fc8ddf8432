"""The checkpoints of every run: the best by validation, and the last one to resume from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from stt.runs.folder import BEST, LAST
from stt.runs.metric_names import BEST_CER
from stt.training.callbacks.access import folder_of

PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")  # in the state of Lightning's callback


class RunFolderCheckpoint(ModelCheckpoint):
    """Writes checkpoints into the run folder, unless another folder is given."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the folder."""
        self.dirpath = self.dirpath or str(folder_of(trainer).checkpoints)
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best checkpoints, also if the folder was moved since, or is given by another path.

        Lightning compares the paths as they are written, and forgets the best ones if they differ.
        """
        folder = Path(self.dirpath or "")

        def here(path: str) -> str:
            return str(folder / Path(path).name) if path else path

        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        if all(Path(path).exists() for path in (*best, here(state_dict["best_model_path"])) if path):
            paths = {name: here(state_dict[name]) for name in PATHS if name in state_dict}
            state_dict = {**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath}
        super().load_state_dict(state_dict)


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

    def save_every_epoch(self) -> None:
        """Save at the end of this epoch, too, and of all later ones."""
        self._every_n_epochs = 1

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
