"""Reports every utterance that is not used, so that none is skipped silently."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from stt.data.batch import Batch, Skipped
from stt.data.completeness import Completeness
from stt.data.feasibility import NOT_ALIGNABLE
from stt.files import write_csv
from stt.runs.metric_names import SKIPPED, Split
from stt.tensors import HostCopy
from stt.training.callbacks.access import data_of, folder_of
from stt.training.callbacks.evaluation import Evaluation
from stt.training.distributed import all_gather

log = logging.getLogger(__name__)
Key = tuple[str, int, str]  # split, row, kind
HEADER = ("split", "row", "utterance", "kind", "reason")
Line = tuple[str, ...]  # one for each name of the header
MIN_JUDGED = 20  # sampled utterances of a domain, below which the share of skipped ones says little
STREAK = 3  # consecutive non-finite losses after which an utterance is reported


class SkippedReport(Evaluation):
    """Writes `skipped.csv`: the utterances that training and its validations could not use, and why.

    Besides unreadable files, changed audio and unusable texts, it lists utterances that CTC could not align with their
    actual number of frames, and those whose loss was non-finite three times in a row. Above
    `data.max_skipped_train_share` of the utterances of a domain in an epoch, they end the run.
    """

    def __init__(self) -> None:
        """Start with an empty list."""
        self._listed: set[Key] = set()
        self._in_training = 0  # of those listed
        self._completeness = Completeness()  # of each domain, since it was last judged
        self._streaks: Counter[int] = Counter()
        self._previous: tuple[Batch, Tensor, HostCopy] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the list as a resumed run has left it, and the utterances that the data module has excluded."""
        path = self._path(trainer)
        lines = read_skipped(path) if trainer.ckpt_path else {}
        if trainer.is_global_zero:
            lines |= {("train", item.row, item.kind): _line("train", item) for item in data_of(trainer).skipped}
        if lines:
            write_skipped(path, lines.values())
        self._listed = set(lines)
        self._in_training = sum(split == "train" for split, *_ in lines)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Check the losses of the previous step, which have been copied by now."""
        finite = HostCopy(outputs["losses"].isfinite())
        self._completeness.add(batch)
        self._add(trainer, "train", batch.skipped)
        if self._previous is not None:
            self._check_losses(trainer, *self._previous)
        self._previous = (batch, outputs["counted"], finite)
        pl_module.log(SKIPPED, torch.tensor(float(self._in_training)))  # on the host: a copy would wait for the device

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the last step of the epoch, and the share of utterances that were skipped.

        Raises:
            InputError: too many utterances of a domain were skipped.
        """
        if self._previous is not None:
            self._check_losses(trainer, *self._previous)
            self._previous = None
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        completeness = Completeness.merged(all_gather(trainer, self._completeness))
        limit = data_of(trainer).max_skipped_train_share
        completeness.check(limit, "--data.max_skipped_train_share", MIN_JUDGED)
        self._completeness.forget(completeness.domains(MIN_JUDGED))

    def update(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, split: Split) -> None:
        """Name the skipped utterances of a validation or test; those of a test are also in its results."""
        self._add(trainer, split, batch.skipped)

    def _check_losses(self, trainer: Trainer, batch: Batch, counted: Tensor, copy: HostCopy) -> None:
        finite = copy.read().tolist()
        skipped = []
        for i, (row, name, domain) in enumerate(zip(batch.rows, batch.names, batch.domains, strict=True)):
            if not counted[i]:
                needed = int(batch.frames_needed[i])
                skipped.append(
                    Skipped(row, name, domain, NOT_ALIGNABLE, f"it has fewer than the {needed} output frames needed")
                )
            if finite[i]:
                del self._streaks[row]
                continue
            self._streaks[row] += 1
            if self._streaks[row] == STREAK:
                skipped.append(
                    Skipped(row, name, domain, "non-finite loss", f"the loss was not finite {STREAK} times in a row")
                )
        self._add(trainer, "train", skipped)

    def _add(self, trainer: Trainer, split: str, skipped: list[Skipped]) -> None:
        items = {(split, item.row, item.kind): item for item in skipped}
        new = {key: item for key, item in items.items() if key not in self._listed}
        if not new:
            return
        for item in new.values():
            log.warning("skipped: %s: %s (%s)", item.name, item.kind, item.reason)
        self._listed.update(new)
        if split == "train":
            self._in_training += len(new)
        if trainer.state.fn == TrainerFn.FITTING:
            add_skipped(self._path(trainer), [_line(split, item) for item in new.values()])

    def _path(self, trainer: Trainer) -> Path:
        return folder_of(trainer).skipped(trainer.global_rank, trainer.world_size)


def _line(split: str, item: Skipped) -> Line:
    return split, str(item.row + 1), item.name, item.kind, item.reason


def read_skipped(path: Path) -> dict[Key, Line]:
    """Read a table of skipped utterances; a line that a killed run has left unfinished is left out."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = [tuple(line) for line in csv.reader(file)]
    return {
        (line[0], int(line[1]) - 1, line[3]): line for line in lines if len(line) == len(HEADER) and line[1].isdecimal()
    }


def write_skipped(path: Path, lines: Iterable[Line]) -> None:
    """Write a table of skipped utterances: split, manifest row (from 1), name, kind, reason."""
    write_csv(path, [HEADER, *lines])


def add_skipped(path: Path, lines: Sequence[Line]) -> None:
    """Add lines to a table, which has many: writing all of it again would take longer than a training step."""
    if not path.exists():
        write_skipped(path, lines)
        return
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
