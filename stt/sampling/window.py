"""A planned window: its batches for all ranks, in arrays that a checkpoint can hold."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.sampling.base import Sample
from stt.sampling.batches import cost
from stt.sampling.observations import Floats, Rows


@dataclass(frozen=True)
class Window:
    """A stretch of the stream of batches that was planned at once.

    Attributes:
        index: which window.
        start: number of its first batch.
        num_ranks: how many ranks it was planned for.
        rows: of all batches, one after the other: those of all ranks for the first batch, then for the second ...
        sizes: rows of each batch of each rank, in the same order.
        weights: how much of its domain each of the rows stands for.
        strengths: augmentation strength of each domain.
    """

    index: int
    start: int
    num_ranks: int
    rows: Rows
    sizes: Rows
    weights: Floats
    strengths: Floats

    @classmethod
    def of(cls, index: int, start: int, batches: list[list[Rows]], sample: Sample, strengths: Floats) -> Window:
        """Lay out batches that were cut of a sample."""
        flat = [rows for ranks in batches for rows in ranks]
        rows = np.concatenate(flat)
        sizes = np.array([len(part) for part in flat], dtype=np.int64)
        order = np.argsort(sample.rows, kind="stable")
        weights = sample.weights[order][np.searchsorted(sample.rows[order], rows)]
        return cls(index, start, len(batches[0]), rows, sizes, weights, strengths)

    @property
    def end(self) -> int:
        """Number of the first batch after it."""
        return self.start + len(self.sizes) // self.num_ranks

    def batch(self, number: int, rank: int) -> Rows:
        """Rows of a batch of a rank."""
        place = (number - self.start) * self.num_ranks + rank
        return self.rows[self._edges[place] : self._edges[place + 1]]

    def first_row_of(self, number: int) -> int:
        """Index in `rows` of the first row of a batch; batches before the window count as its first."""
        place = min(max(number - self.start, 0), self.end - self.start) * self.num_ranks
        return int(self._edges[place])

    def weights_of(self, rows: Rows) -> Floats:
        """Weight of each of some rows of the window."""
        known, weights = self._sorted
        return weights[np.searchsorted(known, rows)]

    def rank_spread(self, durations: Floats) -> float:
        """Mean over its steps of (costliest rank - cheapest rank) / mean."""
        batches = np.split(self.rows, self._edges[1:-1])
        costs = np.array([cost(rows, durations) for rows in batches]).reshape(-1, self.num_ranks)
        return float(((costs.max(axis=1) - costs.min(axis=1)) / costs.mean(axis=1)).mean())

    def digest(self) -> bytes:
        """SHA-256 over everything in the plan."""
        whole = hashlib.sha256(f"{self.index} {self.start} {self.num_ranks}".encode())
        for array in (self.rows, self.sizes, self.strengths):
            whole.update(np.ascontiguousarray(array).data)
        return whole.digest()

    def state_dict(self) -> dict[str, Any]:
        """Give plain values and arrays."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> Window:
        """Make the window of which `state_dict` was taken."""
        return cls(**{name: state[name] for name in cls.__dataclass_fields__})

    @cached_property
    def _edges(self) -> npt.NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.sizes)])

    @cached_property
    def _sorted(self) -> tuple[Rows, Floats]:
        """Rows in order, with their weights."""
        order = np.argsort(self.rows, kind="stable")
        return self.rows[order], self.weights[order]
