"""The progress bar of a training: error rates by domain beside it, and how long the whole training will take."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from stt.runs.metric_names import MEAN, TRAIN_LOSS, VALIDATION_CER
from stt.training.callbacks.access import data_of

PREFIX = f"{VALIDATION_CER}/"


class TrainingProgressBar(RichProgressBar):
    """Lightning's bar of an epoch; beside it the CERs of the last validation, in %, and the time left of training."""

    def __init__(self) -> None:
        """Refresh seldom: the loss is read from the device, which the steps between need not wait for."""
        super().__init__(refresh_rate=10)
        self._begin = (0.0, 0)  # time and step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        super().on_train_start(trainer, pl_module)
        self._begin = (time.perf_counter(), trainer.global_step)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Give what stands beside the bar."""
        shown = super().get_metrics(trainer, pl_module)
        shown.pop("v_num", None)
        if TRAIN_LOSS in shown:
            shown["loss"] = shown.pop(TRAIN_LOSS)
        cers = {
            name.removeprefix(PREFIX): 100 * float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(PREFIX)
        }
        if cers and trainer.training:
            domains = data_of(trainer).domains("validate")
            parts = [f"{domain} {cers[domain]:.1f}" for domain in (MEAN, *domains) if domain in cers]
            shown["CER %"] = ", ".join(parts)
        left = self._left(trainer)
        if left is not None and trainer.training:
            shown["all done in"] = str(timedelta(seconds=round(left)))
        return shown

    def _get_train_description(self, current_epoch: int) -> str:
        """Name the epoch; Lightning would add how many there may be, which nobody knows."""
        return f"epoch {current_epoch + 1}".ljust(len(self.validation_description))

    def _left(self, trainer: Trainer) -> float | None:
        """Seconds until the last step, validations included, by the pace since the start."""
        began, first = self._begin
        done = trainer.global_step - first
        if trainer.max_steps <= 0 or done < 1:
            return None
        return (time.perf_counter() - began) / done * (trainer.max_steps - trainer.global_step)
