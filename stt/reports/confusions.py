"""Plots and tables of confused characters and words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stt.metrics.alignment import visible
from stt.metrics.confusions import Confusions, Pairs

CHARACTERS = 18  # in a matrix
EMPTY = "∅"


def most_frequent(pairs: Pairs, counts: Counter[str], limit: int = 20) -> list[tuple[str, str, int, float | None]]:
    """Return the most frequent errors: reference, hypothesis, count, share of the reference's occurrences (0..1)."""
    return [
        (display(reference), display(hypothesis), count, count / counts[reference] if reference else None)
        for (reference, hypothesis), count in pairs.most_common(limit)
    ]


def plot_characters(confusions: Confusions) -> Figure | None:
    """Plot the confusion matrix of the characters with the most errors; None if there are no errors."""
    errors: Counter[str] = Counter()
    for (reference, hypothesis), count in confusions.characters.items():
        errors[reference] += count
        errors[hypothesis] += count
    names = sorted((name for name, _ in errors.most_common(CHARACTERS)), key=lambda name: (name == "", name))
    if not names:
        return None
    matrix = np.array([[confusions.characters[row, column] for column in names] for row in names], dtype=float)
    figure, axis = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
    image = axis.imshow(np.where(matrix > 0, matrix, np.nan), cmap="YlOrRd")
    _label(axis, names)
    figure.colorbar(image, label="count")
    axis.set_xlabel(f"hypothesis ({EMPTY}: deleted)")
    axis.set_ylabel(f"reference ({EMPTY}: inserted)")
    return figure


def display(text: str) -> str:
    """Return the text with symbols for spaces and for the empty string."""
    return visible(text) or EMPTY


def _label(axis: Axes, names: Sequence[str]) -> None:
    labels = [display(name) for name in names]
    axis.set_xticks(range(len(names)), labels)
    axis.set_yticks(range(len(names)), labels)
