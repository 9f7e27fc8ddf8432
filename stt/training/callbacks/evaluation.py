"""One set of hooks for validation and test, which have separate hooks in Lightning."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer

from stt.data.batch import Batch
from stt.runs.metric_names import Split


class Evaluation(Callback):
    """Base class of callbacks that run in both validation and test."""

    def start(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Reset the state."""

    def update(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, split: Split) -> None:
        """Process a batch and the outputs of `validation_step` or `test_step`."""

    def finish(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Log, write or print the results; also called at the end of the sanity check."""

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
        """Process a validation batch."""
        self.update(trainer, pl_module, outputs, batch, "validate")

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Process a test batch."""
        self.update(trainer, pl_module, outputs, batch, "test")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish a validation."""
        self.finish(trainer, pl_module, "validate")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finish a test."""
        self.finish(trainer, pl_module, "test")
