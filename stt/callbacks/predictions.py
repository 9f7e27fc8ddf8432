"""What `predict` leaves behind: one JSON line for each utterance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from stt.data.batch import Batch
from stt.files import written_aside


class Predictions(BasePredictionWriter):
    """Writes `predictions.jsonl` with the manifest row (from 1), utterance, text, confidence; errors too."""

    def __init__(self) -> None:
        """Collect batch by batch, write once at the end."""
        super().__init__("batch")
        self._lines: list[dict[str, Any]] = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        self._lines = []

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Keep a batch."""
        for row, name, hypothesis in zip(batch.rows, batch.names, prediction, strict=True):
            line = {"row": row + 1, "utterance": name, "text": hypothesis.text, "confidence": hypothesis.confidence}
            self._lines.append(line)
        for item in batch.left_out:
            self._lines.append({"row": item.row + 1, "utterance": item.name, "error": item.reason})

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the lines in the manifest's order; every rank writes its own."""
        rank = f".rank{trainer.global_rank}" if trainer.world_size > 1 else ""
        path = Path(trainer.default_root_dir) / f"predictions{rank}.jsonl"
        lines = sorted(self._lines, key=lambda line: int(line["row"]))
        with written_aside(path) as aside:
            aside.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        print(f"{len(lines)} transcripts written to {path}")
