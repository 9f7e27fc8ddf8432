"""The progress bar of training, with error rates by domain and the ETA."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from stt.runs.metric_names import MEAN, VALIDATION_CER
from stt.tensors import HostCopy
from stt.training.callbacks.access import data_of

PREFIX = f"{VALIDATION_CER}/"


class TrainingProgressBar(RichProgressBar):
    """Lightning's progress bar for an epoch, with the last validation's CERs in % and the ETA of the whole training."""

    def __init__(self) -> None:
        """Refresh rarely: a screen is slower than a step."""
        super().__init__(refresh_rate=10)
        self._loss: float | None = None
        self._loss_copy: HostCopy | None = None  # of a later step, to be shown when the host need not wait for it
        self._cers: dict[str, float] = {}  # of the last validation, %
        self._training_start = (0.0, 0)  # time and step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start timing."""
        super().on_train_start(trainer, pl_module)
        self._training_start = (time.perf_counter(), trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the loss of the previous refresh, and start to copy this one."""
        if batch_idx % self.refresh_rate == 0:
            self._loss = None if self._loss_copy is None else float(self._loss_copy.read())
            self._loss_copy = HostCopy(outputs["loss"])
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the error rates once, not at every step."""
        self._cers = {
            name.removeprefix(PREFIX): 100 * float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(PREFIX)
        }
        super().on_validation_end(trainer, pl_module)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return the metrics shown next to the bar."""
        shown = super().get_metrics(trainer, pl_module)
        shown.pop("v_num", None)
        if self._loss is not None:
            shown["loss"] = self._loss
        if self._cers and trainer.training:
            domains = data_of(trainer).domains("validate")
            parts = [f"{domain} {self._cers[domain]:.1f}" for domain in (MEAN, *domains) if domain in self._cers]
            shown["CER %"] = ", ".join(parts)
        remaining = self._remaining(trainer)
        if remaining is not None and trainer.training:
            shown["ETA"] = str(timedelta(seconds=round(remaining)))
        return shown

    def _get_train_description(self, current_epoch: int) -> str:
        """Name the epoch; Lightning would add the number of epochs, which is unknown."""
        return f"epoch {current_epoch + 1}".ljust(len(self.validation_description))

    def _remaining(self, trainer: Trainer) -> float | None:
        """Estimate the seconds until the last step, including validations, from the pace since the start."""
        start, first = self._training_start
        done = trainer.global_step - first
        if trainer.max_steps <= 0 or done < 1:
            return None
        return (time.perf_counter() - start) / done * (trainer.max_steps - trainer.global_step)
