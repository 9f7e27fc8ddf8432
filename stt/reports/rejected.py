"""Rejected utterances: by which rule, how far from its limit, and which of them to look at first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.figure import Figure

from stt.corpus.manifest import Manifest
from stt.errors import InputError

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
MAX_LIMITS = 10  # shown in a histogram; more of them would hide it


@dataclass(frozen=True)
class Rejected:
    """Rows of a manifest with the columns `rule`, `figure` and `limit`.

    Attributes:
        manifest: the rows.
        rules: names of the rules, sorted.
        rule_index: index of each row's rule in `rules`, (row,).
        figures: what was measured of each row, (row,); NaN if nothing was.
        limits: the rule's limit of it, (row,); NaN if there is none.
    """

    manifest: Manifest
    rules: list[str]
    rule_index: Rows
    figures: Floats
    limits: Floats

    @classmethod
    def of(cls, manifest: Manifest) -> Rejected:
        """Read the columns of a manifest; `figure` and `limit` may be missing.

        Raises:
            InputError: a row has no rule, or figures are not numbers.
        """
        names = ", ".join(map(str, manifest.files))
        if "rule" not in manifest.table.column_names:
            raise InputError(f"{names}: no column rule, so it is not a manifest of rejected utterances")
        column = pc.fill_null(pc.cast(manifest.table["rule"], pa.string()), "").combine_chunks()
        encoded = column.dictionary_encode()
        found = encoded.dictionary.to_pylist()
        if "" in found:
            row = int(np.flatnonzero(encoded.indices.to_numpy() == found.index(""))[0])
            raise InputError(f"{manifest.where(row)}: no rule is given by which the utterance was rejected")
        rules = sorted(found)
        places = np.array([rules.index(name) for name in found], np.int64)
        index = places[encoded.indices.to_numpy()]
        return cls(manifest, rules, index, _numbers(manifest, "figure"), _numbers(manifest, "limit"))

    @cached_property
    def distances(self) -> Floats:
        """Distance of each row's figure from the limit (row,), in the unit of its rule; -1 if it is unknown."""
        return np.asarray(np.nan_to_num(np.abs(self.figures - self.limits), nan=-1.0), np.float64)

    def worst(self, count: int) -> Rows:
        """Return the rows to look at, `count` for each domain, by domain and rule, the farthest from the limit first.

        The rules of a domain take turns, so that a frequent one does not hide the others.
        """
        domains = self.manifest.domain_index
        order = np.lexsort((-self.distances, self.rule_index, domains))
        place = _places(domains[order].astype(np.int64) * len(self.rules) + self.rule_index[order])
        turns = np.lexsort((self.rule_index[order], place, domains[order]))
        chosen = turns[_places(domains[order][turns].astype(np.int64)) < count]
        return np.asarray(order[np.sort(chosen)], np.int64)

    def plot_figures(self) -> Figure | None:
        """Plot a histogram of the figures of each rule, with the limits; None if nothing was measured."""
        measured = [i for i in range(len(self.rules)) if len(self._figures_of(i))]
        if not measured:
            return None
        columns = min(3, len(measured))
        lines = -(-len(measured) // columns)
        size = (3.6 * columns, 2.5 * lines)
        figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained")
        for axis in axes.flat[len(measured) :]:
            axis.remove()
        for axis, rule in zip(axes.flat, measured, strict=False):
            axis.hist(self._figures_of(rule), bins=30, color="C0")
            limits = np.unique(self.limits[self.rule_index == rule])
            for limit in limits[np.isfinite(limits)][:MAX_LIMITS]:
                axis.axvline(limit, color="C3", linewidth=1.2)
            axis.set_title(self.rules[rule], fontsize="medium")
            axis.yaxis.get_major_locator().set_params(integer=True)
        for axis in axes[:, 0]:
            axis.set_ylabel("utterances")
        return figure

    def _figures_of(self, rule: int) -> Floats:
        """Return the figures of a rule that a histogram can show: with 32 bits, nothing is too large or too close."""
        with np.errstate(over="ignore"):
            figures = self.figures[self.rule_index == rule].astype(np.float32)
        return np.asarray(figures[np.isfinite(figures)], np.float64)


def _places(groups: Rows) -> Rows:
    """Return the place of each row in its group (row,), from 0; groups are contiguous."""
    starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    lengths = np.diff(np.append(starts, len(groups)))
    return np.arange(len(groups), dtype=np.int64) - np.repeat(starts, lengths)


def _numbers(manifest: Manifest, name: str) -> Floats:
    if name not in manifest.table.column_names:
        return np.full(len(manifest), np.nan)
    try:
        column = pc.cast(manifest.table[name], pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        names = ", ".join(map(str, manifest.files))
        raise InputError(f"{names}: column {name} must contain numbers ({str(error).splitlines()[0]})") from error
    return np.asarray(column.to_numpy(), np.float64)
