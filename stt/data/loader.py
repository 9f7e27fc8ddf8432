"""Data loaders: the stream of planned batches for training, sorted batches for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Sampler

from stt.data.batch import Batch, collate
from stt.data.dataset import UtteranceDataset
from stt.errors import InputError
from stt.sampling.base import SampledRow
from stt.sampling.batches import cut_by_cost
from stt.sampling.observations import Rows
from stt.sampling.stream import LAG, BatchStream


class StreamBatches(Sampler[list[SampledRow]]):
    """Batch sampler over a stream of batches."""

    def __init__(self, stream: BatchStream) -> None:
        """Keep the stream."""
        self.stream = stream

    def __iter__(self) -> Iterator[list[SampledRow]]:
        """Give the batches that were not consumed, without end."""
        return self.stream.batches()


class StreamLoader(DataLoader[Batch]):
    """A data loader over an endless stream, of which every epoch takes the next `batches_per_epoch` batches.

    The stream is read on through the ends of epochs, so that nothing is waited for after a validation. Workers read
    ahead; what counts as consumed is what came out here.
    """

    def __init__(self, dataset: UtteranceDataset, stream: BatchStream, batches_per_epoch: int, **options: Any) -> None:
        """Set up with options for `DataLoader`."""
        super().__init__(dataset, batch_sampler=StreamBatches(stream), collate_fn=collate, **options)  # type: ignore[arg-type]
        self.stream = stream
        self.batches_per_epoch = batches_per_epoch
        self._reading: Iterator[Batch] | None = None
        self._in_epoch = 0  # batches that this epoch has given
        self._resumed = False

    def __len__(self) -> int:
        """Batches in an epoch; the same in every epoch, because Lightning reads it once."""
        return self.batches_per_epoch

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Give the batches of an epoch; after `load_state_dict`, what is left of one."""
        if self._reading is None:
            self._reading = super().__iter__()
        self._in_epoch = self._in_epoch if self._resumed and self._in_epoch < self.batches_per_epoch else 0
        self._resumed = False
        while self._in_epoch < self.batches_per_epoch:
            batch = replace(next(self._reading), number=self.stream.consumed)
            self.stream.consumed += 1
            self._in_epoch += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Give how many batches of the epoch were consumed; the rest is the stream's."""
        return {"in_epoch": self._in_epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on in the middle of an epoch."""
        self._in_epoch, self._resumed = state["in_epoch"], True


class EvaluationBatches(Sampler[list[int]]):
    """Batches as they are (a plain list would do, were Lightning not to wrap the sampler of `predict`)."""

    def __init__(self, batches: list[list[int]]) -> None:
        """Keep the batches."""
        self.batches = batches

    def __len__(self) -> int:
        """Count them."""
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        """Give them in order."""
        return iter(self.batches)


def evaluation_loader(
    dataset: UtteranceDataset, max_batch_seconds: float, rank: int, num_ranks: int, **options: Any
) -> DataLoader[Batch]:
    """Every row once, in batches of like length, dealt out to the ranks; no row is repeated to make ranks even."""
    batches = sorted_batches(dataset.manifest.durations, max_batch_seconds)
    mine = EvaluationBatches([rows.tolist() for rows in batches[rank::num_ranks]])
    return DataLoader(dataset, batch_sampler=mine, collate_fn=collate, **options)  # type: ignore[arg-type]


def sorted_batches(durations: npt.NDArray[np.float32], max_batch_seconds: float) -> list[Rows]:
    """Cut all rows, sorted by duration, into batches that occupy at most `max_batch_seconds`."""
    order = np.argsort(durations, kind="stable")
    return np.split(order, cut_by_cost(durations[order].astype(np.float64), max_batch_seconds))


def loader_options(num_workers: int) -> dict[str, Any]:
    """Options that all loaders share; memory is pinned only where there is a device to copy to."""
    return {
        "num_workers": num_workers,
        "persistent_workers": num_workers > 0,
        "pin_memory": torch.cuda.is_available(),
        "worker_init_fn": _one_thread,
        # Its own, so that starting workers does not draw from what dropout and augmentation draw from.
        "generator": torch.Generator(),
    }


def reading_ahead(num_workers: int, needs_feedback: bool) -> dict[str, int]:
    """Options by which no more is read ahead than a plan that waits for feedback allows.

    Raises:
        InputError: already one batch for each worker would be too many.
    """
    if not num_workers:
        return {}
    most = LAG - 1 if needs_feedback else 2 * num_workers
    if num_workers > most:
        raise InputError(
            f"--data.num_workers {num_workers}: the curriculum lets at most {most} batches be read ahead, so there can "
            f"be {most} workers"
        )
    return {"prefetch_factor": min(2, most // num_workers)}


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
