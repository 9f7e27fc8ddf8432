"""Plot of the tuning of a language model."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure


def plot_tuning(
    alphas: Sequence[float],
    betas: Sequence[float],
    wers: npt.NDArray[np.float64],
    widths: dict[int, float],
    greedy: float,
) -> Figure:
    """Plot WER (alpha, beta) as a heat map with the best pair marked, and WER over the beam width."""
    figure, (surface, line) = plt.subplots(1, 2, figsize=(11, 4.5), width_ratios=(3, 2), layout="constrained")
    image = surface.imshow(100 * wers.T, origin="lower", aspect="auto", cmap="viridis_r")
    surface.set_xticks(range(len(alphas)), [f"{alpha:g}" for alpha in alphas])
    surface.set_yticks(range(len(betas)), [f"{beta:g}" for beta in betas])
    surface.set(xlabel="alpha, language-model weight", ylabel="beta, word reward")
    for (i, j), wer in np.ndenumerate(wers):
        surface.text(i, j, f"{100 * wer:.1f}", ha="center", va="center", fontsize="x-small", color="white")
    best = np.unravel_index(int(wers.argmin()), wers.shape)
    surface.plot(*best, marker="s", markersize=26, fillstyle="none", color="C3")
    figure.colorbar(image, label="WER, mean over domains, %")
    line.plot(list(widths), [100 * wer for wer in widths.values()], marker="o", label="beam search")
    line.axhline(100 * greedy, color="0.4", linestyle="--", label="greedy")
    line.set(xlabel="beam width", ylabel="WER, mean over domains, %", xscale="log", xticks=list(widths))
    line.set_xticklabels([str(width) for width in widths])
    line.minorticks_off()
    line.legend()
    return figure
