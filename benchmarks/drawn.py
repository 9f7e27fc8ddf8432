"""A callback that writes down which rows of the manifest every step trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from stt.data.batch import Batch


class DrawnRows(Callback):
    """Writes `drawn.json` into the run folder: a list of rows for each step."""

    def __init__(self) -> None:
        """Start with nothing drawn."""
        self.rows: list[list[int]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Take down a batch."""
        self.rows.append(batch.rows)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write them."""
        (Path(trainer.default_root_dir) / "drawn.json").write_text(json.dumps(self.rows))
