"""Gaps in error rates: in and out of domain, clear and noisy audio, best and worst domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from stt.metrics.error_rate import corpus_cer
from stt.metrics.recognized import RecognizedUtterance

PARTS = 3  # of a domain's utterances, from the noisiest to the clearest


@dataclass(frozen=True)
class Gaps:
    """CERs, unweighted means over domains; None if there is nothing to compare."""

    by_domain: dict[str, float]
    in_domain: float | None
    out_of_domain: float | None
    clear: float | None  # third of each domain with the largest level range
    noisy: float | None  # third with the smallest level range

    @property
    def spread(self) -> float:
        """Difference between the worst and the best domain."""
        return max(self.by_domain.values()) - min(self.by_domain.values())

    @property
    def rows(self) -> list[tuple[str, float | None, float | None]]:
        """Pairs to compare: name, easier, harder."""
        values = self.by_domain.values()
        return [
            ("in domain / out of domain", self.in_domain, self.out_of_domain),
            ("clearest third / noisiest third", self.clear, self.noisy),
            ("best domain / worst domain", min(values), max(values)),
        ]


def gaps(items: Sequence[RecognizedUtterance], train_domains: Sequence[str]) -> Gaps:
    """Compute the gaps of a test or a validation."""
    domains = _by_domain(items)
    cers = {domain: cer(group) for domain, group in domains.items()}
    thirds = [_third(group) for group in domains.values() if len(group) >= PARTS]
    return Gaps(
        cers,
        _mean([value for domain, value in cers.items() if domain in train_domains]),
        _mean([value for domain, value in cers.items() if domain not in train_domains]),
        _mean([cer(clear) for _, clear in thirds]),
        _mean([cer(noisy) for noisy, _ in thirds]),
    )


def cer(items: Sequence[RecognizedUtterance]) -> float:
    """Return the total number of edits over the total number of characters."""
    return corpus_cer((item.reference, item.hypothesis) for item in items)


def plot_gaps(runs: Mapping[str, Gaps]) -> Figure:
    """Plot the pairs side by side, for each run."""
    kinds = [name for name, *_ in next(iter(runs.values())).rows]
    figure, axes = plt.subplots(1, len(kinds), figsize=(11, 3.2), sharey=True, layout="constrained")
    for axis, kind in zip(axes, kinds, strict=True):
        for i, (run, run_gaps) in enumerate(runs.items()):
            easier, harder = next(pair for name, *pair in run_gaps.rows if name == kind)
            if easier is not None and harder is not None:
                axis.plot([0, 1], [100 * easier, 100 * harder], marker="o", color=f"C{i}", label=run)
        axis.set_xticks([0, 1], kind.split(" / "))
        axis.set_xlim(-0.35, 1.35)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("CER, mean over domains, %")
    axes[0].set_ylim(bottom=0)
    if len(runs) > 1:
        axes[-1].legend(fontsize="small")
    return figure


def plot_by_level(runs: Mapping[str, Sequence[RecognizedUtterance]], bins: int = 6) -> Figure:
    """Plot CER over the level range of the audio, in bins with the same number of utterances."""
    figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
    for i, (run, items) in enumerate(runs.items()):
        ordered = sorted(items, key=lambda item: item.level_range)
        groups = np.array_split(np.arange(len(ordered)), min(bins, len(ordered)))
        parts = [[ordered[j] for j in group] for group in groups]
        x = [float(np.mean([item.level_range for item in part])) for part in parts]
        axis.plot(x, [100 * cer(part) for part in parts], marker="o", color=f"C{i}", label=run)
    axis.set_xlabel("level range of the audio, dB (clear speech to the right)")
    axis.set_ylabel("CER, %")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    if len(runs) > 1:
        axis.legend(fontsize="small")
    return figure


def _by_domain(items: Sequence[RecognizedUtterance]) -> dict[str, list[RecognizedUtterance]]:
    domains: dict[str, list[RecognizedUtterance]] = {}
    for item in sorted(items, key=lambda item: item.domain):
        domains.setdefault(item.domain, []).append(item)
    return domains


def _third(items: list[RecognizedUtterance]) -> tuple[list[RecognizedUtterance], list[RecognizedUtterance]]:
    """Return the noisiest and the clearest third."""
    ordered = sorted(items, key=lambda item: item.level_range)
    size = len(ordered) // PARTS
    return ordered[:size], ordered[-size:]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
