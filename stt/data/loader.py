"""Data loaders: rounds of planned batches for training, sorted batches for evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Sampler

from stt.curriculum.draw import Rows
from stt.curriculum.plan import cut_by_cost
from stt.data.batch import Batch, Drawn, collate
from stt.data.dataset import UtteranceDataset


class RoundBatches(Sampler[list[Drawn]]):
    """Batch sampler over planned rounds; knows the round and how many of its batches were consumed."""

    def __init__(
        self, plan: Callable[[int], Iterator[list[Drawn]]], batches_per_round: int, num_ranks: int = 1
    ) -> None:
        """Set up with a function from the round's number to this rank's batches."""
        self.plan = plan
        self.batches_per_round = batches_per_round
        self.num_ranks = num_ranks
        self.round = 0
        self.consumed = 0

    def __len__(self) -> int:
        """Batches in a round; the same in every round, because Lightning reads it once."""
        return self.batches_per_round

    def __iter__(self) -> Iterator[list[Drawn]]:
        """Give what is left of the current round, or the next round if nothing is."""
        if self.consumed >= self.batches_per_round:
            self.round, self.consumed = self.round + 1, 0
        yield from itertools.islice(self.plan(self.round), self.consumed, None)


class RoundLoader(DataLoader[Batch]):
    """A data loader that a checkpoint can hold: it goes on with exactly the batches that were left.

    Workers read ahead, so the sampler's position is of no use; what is counted is what came out here.
    """

    def __init__(self, dataset: UtteranceDataset, batches: RoundBatches, **options: Any) -> None:
        """Set up with options for `DataLoader`."""
        super().__init__(dataset, batch_sampler=batches, collate_fn=collate, **options)  # type: ignore[arg-type]
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Give the batches of a round and count them."""
        for batch in super().__iter__():
            self.batches.consumed += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Give the round, the batches consumed in it, and for how many ranks it was planned."""
        batches = self.batches
        return {"round": batches.round, "consumed": batches.consumed, "num_ranks": batches.num_ranks}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state_dict` was taken.

        A round planned for another number of ranks cannot be finished: as many batches as were
        left of it come from the next one.
        """
        batches = self.batches
        batches.round, batches.consumed = state["round"], state["consumed"]
        if state["num_ranks"] != batches.num_ranks and batches.consumed < batches.batches_per_round:
            batches.round += 1


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


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
