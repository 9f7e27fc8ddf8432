"""What the rules judge by, and what each of them finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stt.corpus.manifest import Manifest
from stt.curation.clean.limits import Limits
from stt.sampling.curriculum.suspects import Suspects

Floats = npt.NDArray[np.floating[Any]]  # (row,)
Mask = npt.NDArray[np.bool_]  # (row,)


@dataclass(frozen=True)
class Evidence:
    """A corpus with all that is known of it.

    Attributes:
        manifest: the utterances.
        figures: of every row, with the columns of `stt.curation.clean.measure.FIGURES`.
        limits: of the rules.
        alphabet: characters that texts may have; None if any.
        tests: manifests whose texts and speakers must not be in this one.
        suspects: label errors that a training suspects; None if there was none.
    """

    manifest: Manifest
    figures: pa.Table
    limits: Limits
    alphabet: frozenset[str] | None = None
    tests: Sequence[Manifest] = field(default=())
    suspects: Suspects | None = None

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.manifest)

    def figure(self, name: str) -> Floats:
        """Return a figure of every row (row,), NaN where it is unknown."""
        return np.asarray(self.figures[name].to_numpy(), dtype=np.float32)

    @property
    def readable(self) -> Mask:
        """Which rows have audio that could be read (row,)."""
        return np.asarray(self.figures["unreadable"].is_null().to_numpy(), dtype=np.bool_)


@dataclass(frozen=True)
class Finding:
    """What a rule finds.

    Attributes:
        broken: which rows break it (row,).
        figures: what it compares with its limit (row,).
        limits: the limit that applies (row,).
        words: what the figure is, for people.
        lacking: rows that cannot be judged, for people; empty if there are none.
    """

    broken: Mask
    figures: Floats
    limits: Floats
    words: str
    lacking: str = ""

    def reason(self, row: int) -> str:
        """Say why a row breaks the rule."""
        figure, limit = self.figures[row], self.limits[row]
        bound = "at least" if figure < limit else "at most"
        return f"{self.words} {figure:.4g}, {bound} {limit:.4g}"


def at_least(figures: Floats, limit: float, words: str) -> Finding:
    """Find rows whose figure is below a limit; unknown ones are not."""
    return Finding(figures < limit, figures, np.full(len(figures), limit), words)


def at_most(figures: Floats, limit: float, words: str, lacking: str = "") -> Finding:
    """Find rows whose figure is above a limit; unknown ones are not."""
    return Finding(figures > limit, figures, np.full(len(figures), limit), words, lacking)


def between(figures: Floats, low: float, high: float, words: str) -> Finding:
    """Find rows whose figure is outside two limits."""
    return Finding((figures < low) | (figures > high), figures, np.where(figures < low, low, high), words)
