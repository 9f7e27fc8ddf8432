"""Observations that training makes of its utterances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Key = tuple[int, int]  # batch number and rank
NUM_VALUES = 4  # cers, losses, random_losses, weights
LABEL_DEPENDENT = np.array([False, True, True, False])  # whether each value depends on the label's text


@dataclass(frozen=True)
class Observations:
    """Observations of utterances.

    Attributes:
        rows: manifest rows (row,).
        values: (row, 4): CER, loss, random loss and weight (see the properties); NaN where not observed.
        hypotheses: recognized texts of some rows.
    """

    rows: Rows
    values: Floats
    hypotheses: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Observations:
        """Return an empty set of observations."""
        return cls(np.zeros(0, np.int64), np.zeros((0, NUM_VALUES), np.float32))

    @property
    def cers(self) -> Floats:
        """CER of the greedy hypothesis (row,), from 0; may exceed 1."""
        return self.values[:, 0]

    @property
    def losses(self) -> Floats:
        """CTC loss per token (row,)."""
        return self.values[:, 1]

    @property
    def random_losses(self) -> Floats:
        """CTC loss per token (row,) of the same audio against another utterance's text."""
        return self.values[:, 2]

    @property
    def weights(self) -> Floats:
        """Importance weights (row,): inversely proportional to how often an utterance is sampled."""
        return self.values[:, 3]

    def with_weights(self, weights: Floats) -> Observations:
        """Return the same observations with other weights (row,)."""
        return replace(self, values=np.column_stack([self.values[:, :3], weights]).astype(np.float32))

    def select(self, mask: npt.NDArray[np.bool_]) -> Observations:
        """Return the observations of some rows, without hypotheses."""
        return Observations(self.rows[mask], self.values[mask])


def merge(parts: Sequence[Observations]) -> Observations:
    """Merge observations, sorted by row; repeated rows get the mean of their finite values and the last hypothesis."""
    parts = [Observations.empty(), *parts]  # so that no parts need no special case
    rows, inverse = np.unique(np.concatenate([part.rows for part in parts]), return_inverse=True)
    values = np.concatenate([part.values for part in parts])
    known = np.isfinite(values)
    sums, counts = np.zeros((len(rows), NUM_VALUES)), np.zeros((len(rows), NUM_VALUES))
    np.add.at(sums, inverse, np.where(known, values, 0))
    np.add.at(counts, inverse, known)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    hypotheses = {row: text for part in parts for row, text in part.hypotheses.items()}
    return Observations(rows, means.astype(np.float32), hypotheses)


def pack(
    parts: Mapping[Key, Observations], keys: npt.NDArray[np.int64], texts: npt.NDArray[np.int32]
) -> dict[str, Any]:
    """Flatten batches of observations for a checkpoint; `keys` and `texts` (row,) identify the rows."""
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
    """Restore the observations of `pack`, dropping label scores where the text has been corrected since.

    Args:
        state: result of `pack`.
        find: returns the rows of keys in another manifest, -1 if missing; None if the manifest is unchanged.
        texts: hash of each text in the current manifest (row,).
    """
    new_rows = state["rows"] if find is None else find(state["keys"])
    corrected = (new_rows >= 0) & (texts[new_rows] != state["texts"])
    values = np.where(corrected[:, np.newaxis] & LABEL_DEPENDENT, np.float32(np.nan), state["values"])
    edges = np.cumsum(state["sizes"])
    columns = (np.split(column, edges)[:-1] for column in (state["rows"], new_rows, values))
    parts = zip(state["batches"].tolist(), state["ranks"].tolist(), *columns, state["hypotheses"], strict=True)
    return {
        (batch, rank): _renumber(Observations(rows, values, hypotheses), new)
        for batch, rank, rows, new, values, hypotheses in parts
    }


def _renumber(observations: Observations, new_rows: Rows) -> Observations:
    new_row = dict(zip(observations.rows.tolist(), new_rows.tolist(), strict=True))
    hypotheses = {new_row[row]: text for row, text in observations.hypotheses.items() if new_row[row] >= 0}
    return Observations(new_rows[new_rows >= 0], observations.values[new_rows >= 0], hypotheses)
