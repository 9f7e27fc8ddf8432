"""Plots of runs over time: error rates by domain, training metrics, throughput."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stt.reports.run import Curve, over
from stt.runs import metric_names

Curves = dict[str, Curve]  # of a run, by metric
AXES: dict[str, str | None] = {**metric_names.AXES, "steps": None}  # every log line has its step
COLUMNS = 3


def available_axes(runs: Mapping[str, Curves]) -> list[str]:
    """Return the axes over which at least one run has logged its validations."""
    return [
        label
        for label, metric in AXES.items()
        if any(_on(curves, metric_names.BEST_CER, metric) for curves in runs.values())
    ]


def logged_metrics(runs: Mapping[str, Curves]) -> list[str]:
    """Return the validation metrics by domain that any of the runs has logged."""
    return metric_names.logged_domain_metrics((name for curves in runs.values() for name in curves), "validate")


def plot_by_domain(runs: Mapping[str, Curves], axis: str, metric: str, label: str, unit: str) -> Figure | None:
    """Plot a validation metric over an axis of `AXES`: a panel per domain and for their mean, a line per run."""
    logged = metric_names.logged_domains(
        (name for curves in runs.values() for name in curves), f"{metric_names.PREFIX['validate']}/{metric}"
    )
    domains = (metric_names.MEAN, *logged)
    panels = {domain: metric_names.domain_metric_name("validate", metric, domain) for domain in domains}
    scale = 100 if unit == "%" else 1
    return _panels(runs, panels, axis, f"validation {label}, {unit}", scale, bottom=0)


def plot_training(runs: Mapping[str, Curves]) -> Figure | None:
    """Plot loss, learning rate and gradients over steps."""
    panels = {
        "CTC loss per token": metric_names.TRAIN_LOSS,
        "validation loss per token": metric_names.VALIDATION_LOSS,
        "learning rate": metric_names.LEARNING_RATE,
        "gradient norm": metric_names.CLIP_NORM,
        "share of steps clipped": metric_names.CLIPPED,
        "steps skipped (non-finite)": metric_names.SKIPPED_STEPS,
    }
    return _panels(runs, panels, "steps", "")


def plot_speed(runs: Mapping[str, Curves]) -> Figure | None:
    """Plot training throughput and the shares of time spent waiting for data and clipping."""
    panels = {
        "throughput, audio seconds per second": metric_names.SPEED,
        "share of time waiting for data": metric_names.WAITING,
        "share of time clipping": metric_names.CLIP_TIME,
    }
    return _panels(runs, panels, "steps", "", bottom=0)


def _panels(
    runs: Mapping[str, Curves],
    panels: Mapping[str, str],
    axis: str,
    label: str,
    scale: float = 1.0,
    bottom: float | None = None,
) -> Figure | None:
    """Plot metrics by the title of their panel in rows, omitting those that no run has logged; None if none remain."""
    logged = [(title, name) for title, name in panels.items() if any(name in curves for curves in runs.values())]
    if not logged:
        return None
    rows = -(-len(logged) // COLUMNS)
    columns = min(COLUMNS, len(logged))
    figure, grid = plt.subplots(
        rows, columns, figsize=(1 + 3.6 * columns, 0.6 + 2.7 * rows), squeeze=False, layout="constrained"
    )
    for panel, (title, name) in zip(grid.flat, logged, strict=False):
        for i, (run, curves) in enumerate(runs.items()):
            points = _on(curves, name, AXES[axis])
            if points:
                x, y = zip(*points, strict=True)
                marker = "." if len(points) < 60 else None
                panel.plot(x, [scale * value for value in y], color=f"C{i}", marker=marker, label=run, linewidth=1.2)
        panel.set_title(title, fontsize="medium")
        panel.set_xlabel(axis)
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.grid(alpha=0.3)
        if bottom is not None:
            panel.set_ylim(bottom=bottom)
    for panel in grid[:, 0]:
        panel.set_ylabel(label)
    for panel in grid.flat[len(logged) :]:
        panel.axis("off")
    if len(runs) > 1:
        grid.flat[0].legend(fontsize="small")
    return figure


def _on(curves: Curves, name: str, axis: str | None) -> list[tuple[float, float]]:
    curve = curves.get(name, [])
    return [(float(step), value) for step, value in curve] if axis is None else over(curve, curves.get(axis, []))
