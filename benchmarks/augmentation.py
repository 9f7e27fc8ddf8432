"""Plot the range and the probability of each transform over the augmentation strength, for docs/augmentation.md.

python benchmarks/augmentation.py --out docs/results/augmentation.png
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("agg")
import matplotlib.pyplot as plt
from common import ROOT
from matplotlib.figure import Figure

from stt.audio.augmentation.policy import TRANSFORMS

COLUMNS = 5


def main() -> None:
    """Plot and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results/augmentation.png")
    plot().savefig(parser.parse_args().out, dpi=90)


def plot() -> Figure:
    """Plot a panel for each transform: its range (shaded) and its probability (dotted)."""
    strengths = np.linspace(0.001, 1, 50)
    height = math.ceil(len(TRANSFORMS) / COLUMNS)
    figure, axes = plt.subplots(height, COLUMNS, figsize=(17, 3 * height), layout="constrained")
    for axis, transform in zip(axes.flat, TRANSFORMS, strict=False):
        low, high = np.array([transform.range(float(strength)) for strength in strengths]).T
        axis.fill_between(strengths, low, high, alpha=0.4)
        axis.set(title=transform.name, ylabel=transform.unit, xlim=(0, 1))
        share = axis.twinx()
        share.plot(strengths, [100 * transform.probability(float(strength)) for strength in strengths], "C1:")
        share.set(ylim=(0, 105), ylabel="of utterances, %")
        share.yaxis.label.set_color("C1")
    for axis in axes[-1]:
        axis.set_xlabel("strength")
    for axis in axes.flat[len(TRANSFORMS) :]:
        axis.set_axis_off()
    return figure


if __name__ == "__main__":
    main()
