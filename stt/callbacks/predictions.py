"""What `predict` leaves behind: one JSON line for each utterance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from stt.callbacks.beam_decoding import BeamDecoding
from stt.corrector.corrector import Corrector
from stt.data.batch import Batch
from stt.files import written_aside
from stt.task import SpeechRecognizer


class Predictions(BasePredictionWriter):
    """Writes `predictions.jsonl` with the manifest row (from 1), utterance, text, confidence; errors too.

    The text is that of the beam search where one is configured (`beam.options`), then of the corrector
    where there is one; `greedy` is then there as well, and the confidence is always that of the greedy pieces.
    """

    def __init__(self, corrector: str | None = None) -> None:
        """Name a checkpoint of `corrector train`, or None."""
        super().__init__("batch")
        self.corrector = corrector
        self._corrector: Corrector | None = None
        self._lines: list[dict[str, Any]] = []
        self._searched: list[tuple[dict[str, Any], Future[list[str]]]] = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew.

        Raises:
            InputError: the corrector is missing, or was made for another model.
        """
        self._lines, self._searched = [], []
        if self.corrector:
            model = cast(SpeechRecognizer, pl_module)
            self._corrector = Corrector.load(self.corrector).to(model.device)
            self._corrector.check(model.tokenizer, model.normalizer.name)

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
        lines: list[dict[str, Any]] = []
        for row, name, hypothesis in zip(batch.rows, batch.names, prediction["hypotheses"], strict=True):
            line = {"row": row + 1, "utterance": name, "text": hypothesis.text, "confidence": hypothesis.confidence}
            lines.append(line)
        beam = next(callback for callback in trainer.callbacks if isinstance(callback, BeamDecoding))  # type: ignore[attr-defined]
        if beam.options:
            self._searched += zip(lines, beam.submit(prediction, len(batch)), strict=True)
        self._lines += lines
        for item in batch.left_out:
            self._lines.append({"row": item.row + 1, "utterance": item.name, "error": item.reason})

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the lines in the manifest's order; every rank writes its own."""
        for line, found in self._searched:
            _rewrite(line, found.result()[0])
        if self._corrector:
            good = [line for line in self._lines if "text" in line]
            for line, text in zip(good, self._corrector.correct([line["text"] for line in good]), strict=True):
                _rewrite(line, text)
        rank = f".rank{trainer.global_rank}" if trainer.world_size > 1 else ""
        path = Path(trainer.default_root_dir) / f"predictions{rank}.jsonl"
        lines = sorted(self._lines, key=lambda line: int(line["row"]))
        with written_aside(path) as aside:
            aside.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        print(f"{len(lines)} transcripts written to {path}")


def _rewrite(line: dict[str, Any], text: str) -> None:
    line.setdefault("greedy", line["text"])
    line["text"] = text
