"""What training showed of its utterances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Key = tuple[int, int]  # number of a batch and the rank that trained on it
KINDS = 4  # cers, losses, random_losses, weights
JUDGES_LABEL = np.array([False, True, True, False])  # which of them do


@dataclass(frozen=True)
class Observations:
    """Observations of utterances.

    Attributes:
        rows: of the manifest (row,).
        values: (row, 4): CER, loss, random loss and weight, as below; NaN where something was not observed.
        hypotheses: texts of some of the rows.
    """

    rows: Rows
    values: Floats
    hypotheses: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Observations:
        """Observations of no utterance."""
        return cls(np.zeros(0, np.int64), np.zeros((0, KINDS), np.float32))

    @property
    def cers(self) -> Floats:
        """CER of the greedy hypothesis (row,), 0 and more."""
        return self.values[:, 0]

    @property
    def losses(self) -> Floats:
        """CTC loss per token (row,)."""
        return self.values[:, 1]

    @property
    def random_losses(self) -> Floats:
        """CTC loss per token (row,) of the same audio against the text of another utterance."""
        return self.values[:, 2]

    @property
    def weights(self) -> Floats:
        """How much of its domain each stands for (row,): the more, the rarer it is taken."""
        return self.values[:, 3]

    def weighted(self, weights: Floats) -> Observations:
        """Give the same observations with other weights (row,)."""
        return replace(self, values=np.column_stack([self.values[:, :3], weights]).astype(np.float32))

    def chosen(self, mask: npt.NDArray[np.bool_]) -> Observations:
        """Give the observations of some rows, without texts."""
        return Observations(self.rows[mask], self.values[mask])


def merge(parts: Sequence[Observations]) -> Observations:
    """Sort observations by row; a row that comes several times gets the means of what is known, and the last text."""
    parts = [Observations.empty(), *parts]  # so that no part at all is no special case
    rows, place = np.unique(np.concatenate([part.rows for part in parts]), return_inverse=True)
    values = np.concatenate([part.values for part in parts])
    known = np.isfinite(values)
    sums, counts = np.zeros((len(rows), KINDS)), np.zeros((len(rows), KINDS))
    np.add.at(sums, place, np.where(known, values, 0))
    np.add.at(counts, place, known)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    hypotheses = {row: text for part in parts for row, text in part.hypotheses.items()}
    return Observations(rows, means.astype(np.float32), hypotheses)


def pack(
    parts: Mapping[Key, Observations], keys: npt.NDArray[np.int64], texts: npt.NDArray[np.int32]
) -> dict[str, Any]:
    """Lay observations of batches out for a checkpoint; `keys` and `texts` (row,) tell what the rows are."""
    order = sorted(parts)
    rows = np.concatenate([np.zeros(0, np.int64), *(parts[key].rows for key in order)])
    return {
        "batches": np.array([batch for batch, _ in order], np.int64),
        "ranks": np.array([rank for _, rank in order], np.int64),
        "sizes": np.array([len(parts[key].rows) for key in order], np.int64),
        "rows": rows,
        "keys": keys[rows],
        "texts": texts[rows],
        "values": np.concatenate([Observations.empty().values, *(parts[key].values for key in order)]),
        "hypotheses": [parts[key].hypotheses for key in order],
    }


def unpack(
    state: dict[str, Any], find: Callable[[npt.NDArray[np.int64]], Rows] | None, texts: npt.NDArray[np.int32]
) -> dict[Key, Observations]:
    """Take over what `pack` gave, without what it says of labels that were mended since.

    Args:
        state: of `pack`.
        find: gives the rows of keys in another manifest, -1 where one is gone; None where the manifest is the same.
        texts: hash of each text of this manifest (row,).
    """
    now = state["rows"] if find is None else find(state["keys"])
    mended = (now >= 0) & (texts[now] != state["texts"])
    values = np.where(mended[:, np.newaxis] & JUDGES_LABEL, np.float32(np.nan), state["values"])
    edges = np.cumsum(state["sizes"])
    columns = (np.split(column, edges)[:-1] for column in (state["rows"], now, values))
    parts = zip(state["batches"].tolist(), state["ranks"].tolist(), *columns, state["hypotheses"], strict=True)
    return {
        (batch, rank): _renumbered(Observations(rows, values, hypotheses), here)
        for batch, rank, rows, here, values, hypotheses in parts
    }


def _renumbered(observed: Observations, now: Rows) -> Observations:
    numbers = dict(zip(observed.rows.tolist(), now.tolist(), strict=True))
    texts = {numbers[row]: text for row, text in observed.hypotheses.items() if numbers[row] >= 0}
    return Observations(now[now >= 0], observed.values[now >= 0], texts)
