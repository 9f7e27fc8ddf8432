"""Data loaders: an endless stream of batches for training, batches sorted by length for evaluation."""

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


class StreamBatchSampler(Sampler[list[SampledRow]]):
    """Batch sampler over a stream of batches."""

    def __init__(self, stream: BatchStream) -> None:
        """Store the stream."""
        self.stream = stream

    def __iter__(self) -> Iterator[list[SampledRow]]:
        """Iterate endlessly over the batches not consumed yet."""
        return self.stream.batches()


class StreamLoader(DataLoader[Batch]):
    """Data loader over an endless stream; every epoch takes the next `batches_per_epoch` batches.

    Workers keep prefetching across epoch boundaries, so that training continues without delay after a validation. Only
    batches that this loader has yielded count as consumed.
    """

    def __init__(self, dataset: UtteranceDataset, stream: BatchStream, batches_per_epoch: int, **options: Any) -> None:
        """Set up the loader; further options go to `DataLoader`."""
        super().__init__(dataset, batch_sampler=StreamBatchSampler(stream), collate_fn=collate, **options)  # type: ignore[arg-type]
        self.stream = stream
        self.batches_per_epoch = batches_per_epoch
        self._batches: Iterator[Batch] | None = None
        self._in_epoch = 0  # batches yielded in this epoch
        self._resumed = False

    def __len__(self) -> int:
        """Return the number of batches per epoch; constant, because Lightning reads it only once."""
        return self.batches_per_epoch

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Iterate over the batches of an epoch; after `load_state_dict`, over the rest of one."""
        if self._batches is None:
            self._batches = super().__iter__()
        self._in_epoch = self._in_epoch if self._resumed and self._in_epoch < self.batches_per_epoch else 0
        self._resumed = False
        while self._in_epoch < self.batches_per_epoch:
            batch = replace(next(self._batches), number=self.stream.consumed)
            self.stream.consumed += 1
            self._in_epoch += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches consumed in this epoch; the stream stores the rest of the state."""
        return {"in_epoch": self._in_epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume in the middle of an epoch."""
        self._in_epoch, self._resumed = state["in_epoch"], True


class EvaluationBatchSampler(Sampler[list[int]]):
    """Fixed batches (a plain list would do, but Lightning wraps the batch sampler of `predict`)."""

    def __init__(self, batches: list[list[int]]) -> None:
        """Store the batches."""
        self.batches = batches

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        """Iterate over the batches in order."""
        return iter(self.batches)


def evaluation_loader(
    dataset: UtteranceDataset, max_batch_seconds: float, rank: int, num_ranks: int, **options: Any
) -> DataLoader[Batch]:
    """Load every row exactly once, in batches of similar length split across ranks, which need not be of equal size.

    With fewer batches than ranks, the others get one without a row, because all ranks must take part in an evaluation.
    """
    batches = sorted_batches(dataset.manifest.durations, max_batch_seconds)
    sampler = EvaluationBatchSampler([rows.tolist() for rows in batches[rank::num_ranks]] or [[]])
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, **options)  # type: ignore[arg-type]


def sorted_batches(durations: npt.NDArray[np.float32], max_batch_seconds: float) -> list[Rows]:
    """Sort all rows by duration and cut them into batches of at most `max_batch_seconds` including padding."""
    order = np.argsort(durations, kind="stable")
    return np.split(order, cut_by_cost(durations[order].astype(np.float64), max_batch_seconds))


def loader_options(num_workers: int) -> dict[str, Any]:
    """Return the options that all loaders share; memory is pinned only if there is a GPU."""
    return {
        "num_workers": num_workers,
        "persistent_workers": num_workers > 0,
        "pin_memory": torch.cuda.is_available(),
        "worker_init_fn": _use_one_thread,
        # A separate generator: starting workers must not consume random numbers of dropout and augmentation.
        "generator": torch.Generator(),
    }


def prefetch_options(num_workers: int, uses_feedback: bool) -> dict[str, int]:
    """Return the options that limit prefetching, if plans depend on observations: those must come before the plans.

    Raises:
        InputError: even one batch per worker exceeds the limit.
    """
    if not num_workers:
        return {}
    max_batches = LAG - 1 if uses_feedback else 2 * num_workers
    if num_workers > max_batches:
        raise InputError(
            f"--data.num_workers {num_workers}: a sampler that adapts allows at most {max_batches} prefetched batches "
            f"and therefore at most {max_batches} workers"
        )
    return {"prefetch_factor": min(2, max_batches // num_workers)}


def lost_worker(error: RuntimeError) -> InputError:
    """Describe the death of a process that loads data, which torch may notice anywhere in the main process.

    Raises:
        RuntimeError: the original error, if it is another one.
    """
    if not str(error).startswith("DataLoader worker"):
        raise error
    return InputError(
        f"a process that loads data has died ({error}): if the memory was full, use fewer --data.num_workers; training "
        "continues with --ckpt_path last"
    )


def _use_one_thread(worker: int) -> None:
    torch.set_num_threads(1)
