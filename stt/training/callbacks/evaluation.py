"""Validation and test seen alike, which Lightning gives separate hooks."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer

from stt.data.batch import Batch
from stt.runs.metric_names import Split as Split


class Evaluation(Callback):
    """A callback that starts, takes batches and finishes, whether it is a validation or a test."""

    def start(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Begin anew."""

    def take(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, split: Split) -> None:
        """Take a batch, and what `validation_step` or `test_step` made of it."""

    def finish(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Log, write, print; the sanity check before a training is over as well then."""

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a validation."""
        self.start(trainer, pl_module, "validate")

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start a test."""
        self.start(trainer, pl_module, "test")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take a batch of a validation."""
        self.take(trainer, pl_module, outputs, batch, "validate")

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take a batch of a test."""
        self.take(trainer, pl_module, outputs, batch, "test")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish a validation."""
        self.finish(trainer, pl_module, "validate")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish a test."""
        self.finish(trainer, pl_module, "test")
