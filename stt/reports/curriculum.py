"""The curriculum of a run: a plot of its control, and the list of suspected label errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stt.corpus.manifest import Manifest
from stt.data.utterances import utterances_of
from stt.errors import InputError
from stt.files import write_csv
from stt.metrics.error_rate import character_error_rate
from stt.reports.run import Curve, Run
from stt.runs.metric_names import curriculum_metric_name
from stt.sampling.curriculum import suspects
from stt.sampling.curriculum.ledger import Ledger
from stt.sampling.curriculum.simulation import Simulation

BAND = 0.3  # relative deviation from the target that is shaded in plots
COLUMNS = ("row", "audio", "domain", "cer", "label_error_score", "observations", "reference", "hypothesis")


def sampler_state(run: Run) -> dict[str, Any]:
    """Return the curriculum's state in a run's checkpoint.

    Raises:
        InputError: the run did not use a curriculum.
    """
    return suspects.sampler_state(run.state(), run.checkpoint)


def plot(run: Run) -> Figure:
    """Plot observed CER against target, beta, strength and the ledger: a column for each domain.

    Raises:
        InputError: the run did not use a curriculum, or its log is missing.
    """
    state, curves = sampler_state(run), run.metrics()
    ledger = Ledger.from_state_dict(state["ledger"])
    label_errors = state["label_errors"].numpy()
    domains: list[str] = state["domains"]
    figure, axes = plt.subplots(
        4, len(domains), figsize=(1 + 3.2 * len(domains), 10), squeeze=False, sharey="row", layout="constrained"
    )
    for i, domain in enumerate(domains):
        target, observed, beta, strength, released = (
            curves.get(curriculum_metric_name(name, domain), [])
            for name in ("target_cer", "observed_cer", "beta", "strength", "released")
        )
        _plot_observed(axes[0, i], observed, target, released)
        axes[0, i].set_title(domain)
        axes[1, i].step(*_points(beta), where="mid", color="C1")
        axes[1, i].axhline(0, color="0.7", linewidth=0.8)
        axes[2, i].step(*_points(strength), where="mid", color="C2")
        axes[2, i].set_ylim(0, 1)
        axes[2, i].set_xlabel("step")
        _plot_ledger(axes[3, i], ledger, label_errors, i)
        for axis in axes[1:3, i]:
            axis.sharex(axes[0, i])
    labels = (
        "CER of the training\nbatches, %",
        "beta\n(> 0 easier, < 0 harder)",
        "additional\naugmentation strength",
        "utterances",
    )
    for axis, label in zip(axes[:, 0], labels, strict=True):
        axis.set_ylabel(label)
    axes[0, 0].legend(fontsize="small")
    axes[3, 0].legend(fontsize="small")
    figure.suptitle(f"curriculum of {run.folder.name}")
    return figure


def plot_simulation(simulation: Simulation, names: Sequence[str], target: float) -> Figure:
    """Plot a simulation: observed CER, secondary control and label errors, a line for each domain."""
    panels = {
        "observed CER, %": 100 * simulation.observed_cer,
        "augmentation strength, 0..1": simulation.strength,
        "label errors among the sampled utterances, %": 100 * simulation.label_error_share,
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(13, 3.5), layout="constrained")
    for axis, (label, values) in zip(axes, panels.items(), strict=True):
        for domain, name in enumerate(names):
            axis.plot(values[:, domain], label=name)
        axis.set(xlabel="window", ylabel=label)
    axes[0].axhspan(100 * (1 - BAND) * target, 100 * (1 + BAND) * target, color="0.9", zorder=0)
    axes[0].legend(title="domain")
    return figure


def write_label_errors(run: Run, manifest: Manifest, out: Path) -> int:
    """Write the suspected label errors as a CSV table, worst first; return their number.

    The columns: manifest row (from 1), audio, domain, CER of the last hypothesis, label-error score
    (0: the label fits, 1: no better than a random one), number of scores, reference, last hypothesis.

    Raises:
        InputError: the run did not use a curriculum, or was trained on another manifest.
    """
    state = sampler_state(run)
    if not np.array_equal(state["keys"].numpy(), manifest.keys):
        raise InputError(f"{manifest.path}: {run.checkpoint} was not trained on this manifest")
    found = suspects.find_suspects(state, utterances_of(manifest))
    rows: list[Sequence[object]] = [COLUMNS]
    scores = zip(found.rows.tolist(), found.scores.tolist(), found.observations.tolist(), strict=True)
    for row, score, observations in scores:
        reference, hypothesis = manifest.text(row), found.hypotheses.get(row, "")
        cer = f"{character_error_rate(reference, hypothesis):.3f}" if row in found.hypotheses else ""
        domain = manifest.value(row, "domain")
        rows.append([row + 1, manifest.name(row), domain, cer, f"{score:.2f}", observations, reference, hypothesis])
    write_csv(out, rows)
    return len(found.rows)


def _plot_observed(axis: Axes, observed: Curve, target: Curve, released: Curve) -> None:
    steps, values = _points(observed)
    axis.plot(steps, 100 * values, marker=".", label="observed")
    if target:
        percent = 100 * target[-1][1]
        axis.axhline(percent, color="0.3", linewidth=0.8, label="target")
        axis.axhspan((1 - BAND) * percent, (1 + BAND) * percent, color="0.9", zorder=0)
    # Logged when the window is over: what was observed up to the last point without it was still kept at the target.
    for step in [step for step, value in released if not value][-1:] if released and released[-1][1] else []:
        axis.axvline(step, color="0.3", linewidth=0.8, linestyle=":", label="released")


def _plot_ledger(axis: Axes, ledger: Ledger, label_errors: npt.NDArray[np.bool_], domain: int) -> None:
    seen = (ledger.domain == domain) & (ledger.count > 0)
    cers = [100 * ledger.estimate(np.flatnonzero(seen & group), domain) for group in (~label_errors, label_errors)]
    bins = np.linspace(0, 100, 21).tolist()
    axis.hist(cers, bins=bins, stacked=True, color=["C0", "C3"], label=["trusted", "label errors"])
    unseen = int(((ledger.domain == domain) & (ledger.count == 0)).sum())
    axis.set_title(f"{int(seen.sum()):,} seen, {unseen:,} unseen", fontsize="small")
    axis.set_xlabel("currently expected CER, %")


def _points(curve: Curve) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    points = np.array(curve, dtype=np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]
