"""Leaves the whole configuration of a training in its run folder, and at W&B."""

from __future__ import annotations

import json

from lightning import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from stt.callbacks.training import folder_of
from stt.files import written_aside
from stt.tracking.wandb_logger import wandb_of


class SaveConfig(SaveConfigCallback):
    """Writes the whole configuration to `<run>/config.yaml` and to W&B."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Save when training starts; a test leaves the training's configuration alone."""
        if stage != "fit" or not trainer.is_global_zero or not trainer.loggers:
            return
        text = self.parser.dump(self.config, skip_none=False)
        with written_aside(folder_of(trainer).config) as aside:
            aside.write_text(text, encoding="utf-8")
        plain = self.parser.dump(self.config, skip_none=False, format="json")
        logger = wandb_of(trainer.loggers)
        if logger:
            configuration = json.loads(plain)
            logger.attempt(lambda run: run.config.update(configuration, allow_val_change=True))  # type: ignore[no-untyped-call]
