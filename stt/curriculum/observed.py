"""What a round showed of its utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stt.curriculum.draw import Rows
from stt.curriculum.ledger import Floats

KINDS = 3  # cers, losses, random_losses


@dataclass(frozen=True)
class Observed:
    """Observations of utterances.

    Attributes:
        rows: places in the manifest (row,).
        values: (row, 3): CER, loss and random loss, as below; NaN where something was not observed.
        hypotheses: texts of some of the rows.
    """

    rows: Rows
    values: Floats
    hypotheses: dict[int, str] = field(default_factory=dict)

    @classmethod
    def nothing(cls) -> Observed:
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

    def of(self, rows: Rows) -> Observed:
        """Give the observations of these rows in their order; `merge` has sorted mine."""
        values = np.full((len(rows), KINDS), np.nan, np.float32)
        if len(self.rows):
            place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
            known = self.rows[place] == rows
            values[known] = self.values[place[known]]
        return Observed(rows, values, self.hypotheses)


def renumber(observed: Observed, now: Rows) -> Observed:
    """Follow the utterances to another manifest: `now` is the place there of each row here, -1 where it is gone."""
    rows = now[observed.rows]
    hypotheses = {int(now[row]): text for row, text in observed.hypotheses.items() if now[row] >= 0}
    return Observed(rows[rows >= 0], observed.values[rows >= 0], hypotheses)


def merge(parts: Sequence[Observed]) -> Observed:
    """Sort observations by row; a row that comes several times gets the means of what is known, and the last text."""
    parts = [Observed.nothing(), *parts]  # so that no part at all is no special case
    rows, place = np.unique(np.concatenate([part.rows for part in parts]), return_inverse=True)
    values = np.concatenate([part.values for part in parts])
    known = np.isfinite(values)
    sums, counts = np.zeros((len(rows), KINDS)), np.zeros((len(rows), KINDS))
    np.add.at(sums, place, np.where(known, values, 0))
    np.add.at(counts, place, known)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    hypotheses = {row: text for part in parts for row, text in part.hypotheses.items()}
    return Observed(rows, means.astype(np.float32), hypotheses)
