"""Writes predictions as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from stt.data.batch import Batch
from stt.data.completeness import Completeness
from stt.files import write_text
from stt.training.callbacks.access import data_of, folder_of, is_trial
from stt.training.callbacks.configured_decoder import ConfiguredDecoder
from stt.training.distributed import all_gather


class Predictions(BasePredictionWriter):
    """Writes `predictions.jsonl`: manifest row (from 1), utterance, text and confidence, or the error.

    The text comes from the configured decoder, if any, with the greedy one as `greedy`; the confidence is
    always that of greedy decoding.
    """

    def __init__(self) -> None:
        """Collect predictions batch by batch."""
        super().__init__("batch")
        self._lines: list[dict[str, Any]] = []
        self._decoded: list[tuple[dict[str, Any], Future[str]]] = []
        self._completeness = Completeness()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the state."""
        self._lines, self._decoded, self._completeness = [], [], Completeness()

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
        """Collect the predictions of a batch."""
        self._completeness.add(batch)
        lines: list[dict[str, Any]] = [
            {"row": row + 1, "utterance": name, "text": hypothesis.text, "confidence": hypothesis.confidence}
            for row, name, hypothesis in zip(batch.rows, batch.names, prediction["hypotheses"], strict=True)
        ]
        decoder = next((one for one in trainer.callbacks if isinstance(one, ConfiguredDecoder)), None)  # type: ignore[attr-defined]
        if decoder and decoder.is_on:
            self._decoded += zip(lines, decoder.submit(prediction, len(batch)), strict=True)
        errors = ({"row": item.row + 1, "utterance": item.name, "error": item.reason} for item in batch.skipped)
        self._lines += [*lines, *errors]

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the lines in manifest order, one file per rank.

        Raises:
            InputError: too many utterances of a domain were skipped; the files are complete nevertheless.
        """
        for line, future in self._decoded:
            line["greedy"], line["text"] = line["text"], future.result()
        path = folder_of(trainer).predictions(trainer.global_rank, trainer.world_size)
        lines = sorted(self._lines, key=lambda line: int(line["row"]))
        write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        skipped = self._completeness.describe()
        count = self._completeness.used.total()
        print(f"{count} transcripts{f' and {skipped}' if skipped else ''} written to {path}")
        if not is_trial(trainer):
            completeness = Completeness.merged(all_gather(trainer, self._completeness))
            completeness.check(data_of(trainer).max_skipped_share, "--data.max_skipped_share")
