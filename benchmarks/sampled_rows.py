"""A callback that records the manifest rows of every training step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from stt.data.batch import Batch


class SampledRows(Callback):
    """Writes `sampled_rows.json` to the run folder: a list of rows for each step."""

    def __init__(self) -> None:
        """Start with no steps."""
        self.rows: list[list[int]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Record the rows of a batch."""
        self.rows.append(batch.rows)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        (Path(trainer.default_root_dir) / "sampled_rows.json").write_text(json.dumps(self.rows))
