"""How far expected word error rates can be trusted: reliability diagram, expected calibration error, intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stt.curation.label.calibration import Floats, Observed
from stt.files import atomic_write, write_text

BINS = 10
RESAMPLES = 1000
INTERVAL = (2.5, 97.5)  # per cent


@dataclass(frozen=True)
class Bin:
    """Utterances of similar expected word error rate."""

    expected: float  # word error rate
    observed: float  # word error rate
    utterances: int
    words: int


@dataclass(frozen=True)
class Reliability:
    """Expected against observed word error rates.

    Attributes:
        ece: expected calibration error: mean distance of the two over all bins, weighted by words.
        bins: of equally many utterances, the surest first.
    """

    ece: float
    bins: Sequence[Bin]

    @classmethod
    def of(cls, expected: Floats, observed: Observed) -> Reliability:
        """Compare expected rates (utterance,) with what was observed."""
        bins = []
        for rows in np.array_split(np.argsort(expected, kind="stable"), min(BINS, len(observed))):
            part = observed.where(rows)
            mean = float(np.average(expected[rows], weights=part.words))
            bins.append(Bin(mean, part.wer, len(part), int(part.words.sum())))
        distance = sum(abs(one.expected - one.observed) * one.words for one in bins)
        return cls(distance / max(sum(one.words for one in bins), 1), bins)


def interval(observed: Observed) -> tuple[float, float]:
    """Return the 95 % interval of a word error rate, by resampling utterances (Bisani and Ney, 2004)."""
    rng = np.random.default_rng(0)
    rates = [observed.where(rng.integers(len(observed), size=len(observed))).wer for _ in range(RESAMPLES)]
    low, high = np.percentile(rates, INTERVAL)
    return float(low), float(high)


def write_report(figures: Mapping[str, Any], parts: Mapping[str, Reliability], out: Path) -> None:
    """Write the figures with those of every reliability as JSON."""
    text = json.dumps({**figures, **{name: asdict(part) for name, part in parts.items()}}, ensure_ascii=False, indent=1)
    write_text(out, text + "\n")


def plot(parts: Mapping[str, Reliability], out: Path) -> None:
    """Write a picture of expected and observed rates by bin."""
    import matplotlib as mpl  # imported here because it takes long, and only the end of the step needs it

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
    top = 0.0
    for name, part in parts.items():
        expected, observed = ([100 * getattr(one, key) for one in part.bins] for key in ("expected", "observed"))
        axis.plot(expected, observed, marker="o", label=f"{name}: ECE {100 * part.ece:.1f} %")
        top = max(top, *expected, *observed)
    axis.plot([0, top], [0, top], color="0.7", linestyle="--", zorder=0)
    axis.set(
        xlabel="expected WER, %", ylabel="observed WER, %", title="machine labels: utterances in bins of equal size"
    )
    axis.legend()
    with atomic_write(out) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    plt.close(figure)
