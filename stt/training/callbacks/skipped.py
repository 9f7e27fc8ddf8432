"""Nothing is left out silently: every unused utterance is counted, named and written to the run folder."""

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
STREAK = 3  # non-finite losses in a row, from the same utterance, that make it a suspect worth naming


class SkippedReport(Callback):
    """Writes `skipped.csv`: what could not be used before and during training, and why.

    Besides unreadable files and unusable texts it names utterances that CTC could not align with
    the frames they really had, and those whose loss was non-finite three times in a row.
    """

    def __init__(self) -> None:
        """Start with nothing left out."""
        self.items: dict[tuple[int, str], Skipped] = {}
        self._streaks: Counter[int] = Counter()
        self._previous: tuple[Batch, Tensor, HostCopy] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over what the data module left out before the first step."""
        if trainer.is_global_zero:
            for item in data_of(trainer).skipped:
                self.items[item.row, item.kind] = item
            self._write(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Look at the previous step's losses, whose copy is ready by now."""
        finite = HostCopy(outputs["losses"].isfinite())
        self._add(trainer, batch.skipped)
        if self._previous is not None:
            self._examine(trainer, *self._previous)
        self._previous = (batch, outputs["counted"], finite)
        pl_module.log(SKIPPED, float(len(self.items)))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the last step of an epoch."""
        if self._previous is not None:
            self._examine(trainer, *self._previous)
            self._previous = None

    def _examine(self, trainer: Trainer, batch: Batch, counted: Tensor, copy: HostCopy) -> None:
        finite = copy.read().tolist()
        found = []
        for i, (row, name) in enumerate(zip(batch.rows, batch.names, strict=True)):
            if not counted[i]:
                needed = int(batch.frames_needed[i])
                found.append(Skipped(row, name, "not alignable", f"{needed} output frames are needed, it has fewer"))
            if finite[i]:
                del self._streaks[row]
                continue
            self._streaks[row] += 1
            if self._streaks[row] == STREAK:
                found.append(Skipped(row, name, "non-finite loss", f"the loss was not finite {STREAK} times in a row"))
        self._add(trainer, found)

    def _add(self, trainer: Trainer, found: list[Skipped]) -> None:
        new = {(item.row, item.kind): item for item in found if (item.row, item.kind) not in self.items}
        if new:
            for item in new.values():
                log.warning("left out: %s: %s (%s)", item.name, item.kind, item.reason)
            self.items.update(new)
            self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        if self.items:
            path = folder_of(trainer).skipped(trainer.global_rank, trainer.world_size)
            write_skipped(path, list(self.items.values()))


def write_skipped(path: Path, items: list[Skipped]) -> None:
    """Write a table of what was left out: manifest row (from 1), name, kind, reason."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "utterance", "kind", "reason"])
        writer.writerows([item.row + 1, item.name, item.kind, item.reason] for item in items)
