"""Pictures and tables of what is taken for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stt.metrics.alignment import visible
from stt.metrics.confusions import Confusions, Pairs

NOTHING = "∅"


def top(pairs: Pairs, counts: Counter[str], most: int = 20) -> list[tuple[str, str, int, float | None]]:
    """Give the most frequent: in the reference, understood, times, share of all its occurrences (0..1)."""
    return [
        (shown(ours), shown(theirs), count, count / counts[ours] if ours else None)
        for (ours, theirs), count in pairs.most_common(most)
    ]


def plot_characters(found: Confusions, most: int = 18) -> Figure | None:
    """Draw which characters are taken for which others, of those with most errors; None if there is no error."""
    errors: Counter[str] = Counter()
    for (ours, theirs), count in found.characters.items():
        errors[ours] += count
        errors[theirs] += count
    names = sorted((name for name, _ in errors.most_common(most)), key=lambda name: (name == "", name))
    if not names:
        return None
    matrix = np.array([[found.characters[ours, theirs] for theirs in names] for ours in names], dtype=float)
    figure, axis = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
    image = axis.imshow(np.where(matrix > 0, matrix, np.nan), cmap="YlOrRd")
    _label(axis, names)
    figure.colorbar(image, label="times")
    axis.set_xlabel(f"understood ({NOTHING}: nothing, left out)")
    axis.set_ylabel(f"said ({NOTHING}: nothing, added)")
    return figure


def shown(text: str) -> str:
    """Make spaces and nothing visible."""
    return visible(text) or NOTHING


def _label(axis: Axes, names: Sequence[str]) -> None:
    labels = [shown(name) for name in names]
    axis.set_xticks(range(len(names)), labels)
    axis.set_yticks(range(len(names)), labels)
