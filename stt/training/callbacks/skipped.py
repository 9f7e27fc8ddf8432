"""Reports every utterance that is not used, so that none is skipped silently."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from stt.data.batch import Batch, Skipped
from stt.files import atomic_write
from stt.runs.metric_names import SKIPPED
from stt.tensors import HostCopy
from stt.training.callbacks.access import data_of, folder_of

log = logging.getLogger(__name__)
STREAK = 3  # consecutive non-finite losses after which an utterance is reported


class SkippedReport(Callback):
    """Writes `skipped.csv`: the utterances that could not be used before and during training, and why.

    Besides unreadable files and unusable texts, it lists utterances that CTC could not align with their
    actual number of frames, and those whose loss was non-finite three times in a row.
    """

    def __init__(self) -> None:
        """Start with an empty list."""
        self.items: dict[tuple[int, str], Skipped] = {}
        self._streaks: Counter[int] = Counter()
        self._previous: tuple[Batch, Tensor, HostCopy] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the utterances that the data module has excluded."""
        if trainer.is_global_zero:
            for item in data_of(trainer).skipped:
                self.items[item.row, item.kind] = item
            self._write(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Check the losses of the previous step, which have been copied by now."""
        finite = HostCopy(outputs["losses"].isfinite())
        self._add(trainer, batch.skipped)
        if self._previous is not None:
            self._check_losses(trainer, *self._previous)
        self._previous = (batch, outputs["counted"], finite)
        pl_module.log(SKIPPED, float(len(self.items)))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the last step of the epoch."""
        if self._previous is not None:
            self._check_losses(trainer, *self._previous)
            self._previous = None

    def _check_losses(self, trainer: Trainer, batch: Batch, counted: Tensor, copy: HostCopy) -> None:
        finite = copy.read().tolist()
        skipped = []
        for i, (row, name) in enumerate(zip(batch.rows, batch.names, strict=True)):
            if not counted[i]:
                needed = int(batch.frames_needed[i])
                skipped.append(
                    Skipped(row, name, "not alignable", f"it has fewer than the {needed} output frames needed")
                )
            if finite[i]:
                del self._streaks[row]
                continue
            self._streaks[row] += 1
            if self._streaks[row] == STREAK:
                skipped.append(
                    Skipped(row, name, "non-finite loss", f"the loss was not finite {STREAK} times in a row")
                )
        self._add(trainer, skipped)

    def _add(self, trainer: Trainer, skipped: list[Skipped]) -> None:
        new = {(item.row, item.kind): item for item in skipped if (item.row, item.kind) not in self.items}
        if new:
            for item in new.values():
                log.warning("skipped: %s: %s (%s)", item.name, item.kind, item.reason)
            self.items.update(new)
            self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        if self.items:
            path = folder_of(trainer).skipped(trainer.global_rank, trainer.world_size)
            write_skipped(path, list(self.items.values()))


def write_skipped(path: Path, items: list[Skipped]) -> None:
    """Write a table of skipped utterances: manifest row (from 1), name, kind, reason."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "utterance", "kind", "reason"])
        writer.writerows([item.row + 1, item.name, item.kind, item.reason] for item in items)
