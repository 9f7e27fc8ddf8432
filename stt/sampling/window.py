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
    """A part of the batch stream that was planned at once.

    Attributes:
        index: number of the window.
        start: number of its first batch.
        num_ranks: number of ranks it was planned for.
        rows: rows of all batches, concatenated: all ranks' first batch, then all ranks' second batch, ...
        sizes: number of rows in each batch of each rank, in the same order.
        weights: importance weight of each row.
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
        """Create the window from the batches of a sample."""
        flat = [rows for ranks in batches for rows in ranks]
        rows = np.concatenate(flat)
        sizes = np.array([len(part) for part in flat], dtype=np.int64)
        order = np.argsort(sample.rows, kind="stable")
        weights = sample.weights[order][np.searchsorted(sample.rows[order], rows)]
        return cls(index, start, len(batches[0]), rows, sizes, weights, strengths)

    @property
    def end(self) -> int:
        """Number of the first batch after the window."""
        return self.start + len(self.sizes) // self.num_ranks

    def batch(self, number: int, rank: int) -> Rows:
        """Return the rows of a rank's batch."""
        index = (number - self.start) * self.num_ranks + rank
        return self.rows[self._edges[index] : self._edges[index + 1]]

    def first_row_of(self, number: int) -> int:
        """Return the index in `rows` of a batch's first row; earlier batches count as the window's first."""
        index = min(max(number - self.start, 0), self.end - self.start) * self.num_ranks
        return int(self._edges[index])

    def weights_of(self, rows: Rows) -> Floats:
        """Return the weights of some of the window's rows."""
        rows_in_order, weights = self._sorted
        return weights[np.searchsorted(rows_in_order, rows)]

    def rank_cost_spread(self, durations: Floats) -> float:
        """Return the mean over steps of (largest cost - smallest cost) / mean cost of the ranks."""
        batches = np.split(self.rows, self._edges[1:-1])
        costs = np.array([cost(rows, durations) for rows in batches]).reshape(-1, self.num_ranks)
        return float(((costs.max(axis=1) - costs.min(axis=1)) / costs.mean(axis=1)).mean())

    def digest(self) -> bytes:
        """Return the SHA-256 of the plan."""
        digest = hashlib.sha256(f"{self.index} {self.start} {self.num_ranks}".encode())
        for array in (self.rows, self.sizes, self.strengths):
            digest.update(np.ascontiguousarray(array).data)
        return digest.digest()

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and arrays."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> Window:
        """Restore a window from its `state_dict`."""
        return cls(**{name: state[name] for name in cls.__dataclass_fields__})

    @cached_property
    def _edges(self) -> npt.NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.sizes)])

    @cached_property
    def _sorted(self) -> tuple[Rows, Floats]:
        """Rows in order, with their weights."""
        order = np.argsort(self.rows, kind="stable")
        return self.rows[order], self.weights[order]
