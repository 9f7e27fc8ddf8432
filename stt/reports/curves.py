"""Pictures of how runs went: error rates by domain, what training did, how fast it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stt.reports.run import Curve, over
from stt.runs import metric_names

Curves = dict[str, Curve]  # of a run, by metric
AXES: dict[str, str | None] = {**metric_names.AXES, "steps": None}  # every line of a log has its step
PER_ROW = 3


def axes_of(runs: Mapping[str, Curves]) -> list[str]:
    """Axes that at least one of the runs has logged its validations on."""
    return [
        label
        for label, metric in AXES.items()
        if any(_on(curves, metric_names.BEST_CER, metric) for curves in runs.values())
    ]


def measured(runs: Mapping[str, Curves]) -> list[str]:
    """Metrics by domain that any of the runs has logged of its validations."""
    return metric_names.logged_domain_metrics((name for curves in runs.values() for name in curves), "validate")


def plot_by_domain(
    runs: Mapping[str, Curves], axis: str, metric: str = "cer", label: str = "CER", unit: str = "%"
) -> Figure | None:
    """Draw a metric of the validations over an axis of `AXES`: a panel for each domain and their mean, a line a run."""
    logged = metric_names.logged_domains(
        (name for curves in runs.values() for name in curves), f"{metric_names.PREFIX['validate']}/{metric}"
    )
    return _panels(
        runs,
        [
            (domain, [metric_names.domain_metric_name("validate", metric, domain)])
            for domain in (metric_names.MEAN, *logged)
        ],
        axis,
        f"validation {label}, {unit}",
        scale=100 if unit == "%" else 1,
        bottom=0,
    )


def plot_training(runs: Mapping[str, Curves]) -> Figure | None:
    """Draw loss, learning rate and the gradients over the steps."""
    panels = [
        ("CTC loss per token", [metric_names.TRAIN_LOSS]),
        ("validation loss per token", [metric_names.VALIDATION_LOSS]),
        ("learning rate", [metric_names.LEARNING_RATE]),
        ("norm of the gradient", [metric_names.CLIP_NORM]),
        ("share of steps clipped", [metric_names.CLIPPED]),
        ("steps skipped for what is not finite", [metric_names.SKIPPED_STEPS]),
    ]
    return _panels(runs, panels, "steps", "")


def plot_speed(runs: Mapping[str, Curves]) -> Figure | None:
    """Draw audio trained on by the second, and the share of time that went into waiting and clipping."""
    panels = [
        ("audio seconds trained on, per second", [metric_names.SPEED]),
        ("share of the time waiting for data", [metric_names.WAITING]),
        ("share of the time clipping", [metric_names.CLIP_TIME]),
    ]
    return _panels(runs, panels, "steps", "", bottom=0)


def _panels(
    runs: Mapping[str, Curves],
    panels: Sequence[tuple[str, Sequence[str]]],
    axis: str,
    label: str,
    scale: float = 1.0,
    bottom: float | None = None,
) -> Figure | None:
    """Lay panels (title, metrics) out in rows; those that no run has logged are left out, None if none is left."""
    logged = [(title, names) for title, names in panels if any(name in c for c in runs.values() for name in names)]
    if not logged:
        return None
    rows = -(-len(logged) // PER_ROW)
    columns = min(PER_ROW, len(logged))
    figure, grid = plt.subplots(
        rows, columns, figsize=(1 + 3.6 * columns, 0.6 + 2.7 * rows), squeeze=False, layout="constrained"
    )
    for place, (title, names) in zip(grid.flat, logged, strict=False):
        for i, (run, curves) in enumerate(runs.items()):
            for name in names:
                points = _on(curves, name, AXES[axis])
                if points:
                    x, y = zip(*points, strict=True)
                    marker = "." if len(points) < 60 else None
                    place.plot(
                        x, [scale * value for value in y], color=f"C{i}", marker=marker, label=run, linewidth=1.2
                    )
        place.set_title(title, fontsize="medium")
        place.set_xlabel(axis)
        place.xaxis.set_major_locator(MaxNLocator(4))
        place.grid(alpha=0.3)
        if bottom is not None:
            place.set_ylim(bottom=bottom)
    for place in grid[:, 0]:
        place.set_ylabel(label)
    for place in grid.flat[len(logged) :]:
        place.axis("off")
    if len(runs) > 1:
        grid.flat[0].legend(fontsize="small")
    return figure


def _on(curves: Curves, name: str, axis: str | None) -> list[tuple[float, float]]:
    curve = curves.get(name, [])
    return [(float(step), value) for step, value in curve] if axis is None else over(curve, curves.get(axis, []))
