"""Writes the transcript of every utterance, readable samples, and a W&B table of the worst ones with audio."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer

from stt.data.batch import Batch
from stt.files import write_text
from stt.metrics.alignment import alignment_text
from stt.metrics.recognized import RecognizedUtterance, first_per_domain, worst_per_domain, write_recognized
from stt.recognition.evaluate import recognized_utterances
from stt.runs.metric_names import STEP, Split, utterance_table_name
from stt.training.callbacks.access import data_of, folder_of, is_short_sanity_check, model_of
from stt.training.callbacks.evaluation import Evaluation
from stt.training.distributed import all_gather
from stt.training.tracking.tables import utterance_table
from stt.training.tracking.wandb_logger import wandb_of


class Transcripts(Evaluation):
    """Writes every utterance of a validation or test to `recognized/<split>.jsonl`.

    A validation also writes `transcripts/step-N.txt`, aligned samples of a fixed set of utterances. The W&B tables
    `val/utterances` and `test/utterances` show the worst utterances of each domain, with audio.
    """

    def __init__(self, per_domain: int = 3, worst: int = 5) -> None:
        """Set how many utterances to show.

        Args:
            per_domain: sample utterances per domain in the text file.
            worst: worst utterances per domain in the W&B table.
        """
        self.per_domain = per_domain
        self.worst = worst
        self._items: list[RecognizedUtterance] = []

    def start(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Reset the state."""
        self._items = []

    def update(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, split: Split) -> None:
        """Collect the utterances of a batch."""
        manifest = data_of(trainer).datasets[split].manifest
        rate = model_of(pl_module).recognizer.sample_rate
        hypotheses = [(hypothesis.text, hypothesis.confidence) for hypothesis in outputs["hypotheses"]]
        self._items += recognized_utterances(manifest, batch, rate, hypotheses)

    def finish(self, trainer: Trainer, pl_module: LightningModule, split: Split) -> None:
        """Write all utterances, the samples if validating, and the table."""
        items = [item for part in all_gather(trainer, self._items) for item in part]
        self._items = []
        if is_short_sanity_check(trainer) or not trainer.is_global_zero:
            return
        run = folder_of(trainer)
        write_recognized(items, run.recognized(split))
        if split == "validate":
            write_text(run.sample_transcripts(trainer.global_step), self._samples(items))
        logger = wandb_of(trainer.loggers)
        if logger:
            with tempfile.TemporaryDirectory() as folder:
                rate = model_of(pl_module).recognizer.sample_rate
                step = {STEP: trainer.global_step}
                name, shown = utterance_table_name(split), worst_per_domain(items, self.worst)
                logger.attempt(lambda run: run.log({name: utterance_table(shown, rate, Path(folder)), **step}))

    def _samples(self, items: list[RecognizedUtterance]) -> str:
        ordered = sorted(items, key=lambda item: (item.domain, item.row))
        return "".join(
            f"{item.domain}  {item.utterance}  CER {item.cer:.3f}\n{alignment_text(item.reference, item.hypothesis)}\n"
            for item in first_per_domain(ordered, self.per_domain)
        )
