"""Comparison of the variants of an ablation study: CER over hours of a GPU or of a core, size, and speed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from ablation import Variant
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from stt.errors import InputError
from stt.files import atomic_write
from stt.reports.run import Run, over, steps_done
from stt.runs.folder import RunFolder
from stt.runs.metric_names import BEST_CER, DEVICE_HOURS

LEVELS = tuple(level / 100 for level in range(90, 0, -5))  # CERs at which times are compared


@dataclass(frozen=True)
class TrainedVariant:
    """A trained variant with its validations: mean CER over domains, and hours of a GPU, or of a core, until then."""

    variant: Variant
    measured: dict[str, Any]
    hours: list[float]
    cers: list[float]

    @property
    def tokens_per_blank(self) -> float:
        """Ratio of frames that must emit a token to frames available for blanks and repeats."""
        share = float(self.measured["tokens_per_frame"])
        return share / max(1e-9, 1 - share)

    def hours_to(self, cer: float) -> float | None:
        """Return the device hours until a CER was first reached, interpolated linearly; None if it was not reached."""
        before, above = 0.0, 1.0
        for hours, reached in zip(self.hours, self.cers, strict=True):
            if reached <= cer:
                share = (above - cer) / (above - reached) if above > reached else 1.0
                return before + share * (hours - before)
            before, above = hours, min(1.0, reached)
        return None


def compare(variants: Sequence[Variant], out: Path) -> list[TrainedVariant]:
    """Read the trained variants of a study.

    Raises:
        InputError: no variant was trained, or a run has no validation.
    """
    trained = []
    for variant in variants:
        plan = out / variant.name / "plan.json"
        if not plan.exists():
            continue
        curves = Run(out / variant.name, RunFolder(out / variant.name).last).metrics()
        measured = json.loads(plan.read_text())
        validated, spent = curves.get(BEST_CER, []), curves.get(DEVICE_HOURS, [])
        if measured["device"] == "cpu":  # by the wall clock, these hours would be those of other processes, too
            spent = [(step, steps_done(step) * measured["core_seconds_per_step"] / 3600) for step, _ in validated]
        points = over(validated, spent)
        if not points:
            raise InputError(f"{out / variant.name}: not validated yet")
        hours, cers = (list(values) for values in zip(*points, strict=True))
        trained.append(TrainedVariant(variant, measured, hours, cers))
    if not trained:
        raise InputError(f"{out}: no variant was trained here (python benchmarks/ablation.py run)")
    return trained


def comparison(trained: Sequence[TrainedVariant]) -> list[dict[str, Any]]:
    """Return the results of every variant, and its speed-up over the first variant in reaching the same CERs.

    Where the first variant never reached a CER, the factor is a lower bound: its total time over that of the other
    variant.
    """
    first = trained[0]
    rows = []
    for one in trained:
        times = {cer: one.hours_to(cer) for cer in LEVELS}
        speed_ups = {
            str(cer): {
                "factor": round((first.hours_to(cer) or first.hours[-1]) / hours, 2),
                "at_least": first.hours_to(cer) is None,
            }
            for cer, hours in times.items()
            if hours
        }
        rows.append(
            {
                **asdict(one.variant),
                "parameters": one.measured["parameters"],
                "multiply_adds_per_audio_second": one.measured["multiply_adds_per_audio_second"],
                "audio_seconds_per_second": one.measured["audio_seconds_per_second"],
                "tokens_per_blank": round(one.tokens_per_blank, 3),
                "steps": one.measured["epochs"] * one.measured["batches_per_epoch"],
                "budget_seconds": one.measured["budget_seconds"],
                "core_seconds_per_step": one.measured["core_seconds_per_step"],
                "commit": one.measured["commit"],
                "device": one.measured["device"],
                "hours": [round(hours, 4) for hours in one.hours],
                "cer": [round(cer, 4) for cer in one.cers],
                "hours_to": {str(cer): round(hours, 4) for cer, hours in times.items() if hours},
                "sooner_than_the_first": speed_ups,
            }
        )
    return rows


def table(trained: Sequence[TrainedVariant]) -> Table:
    """Format the results for a terminal: size, multiply-adds per audio second, training speed, error rates."""
    result = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    result.add_column("variant", no_wrap=True)
    for heading in (
        "size\nM",
        "GMAC\n/s",
        "audio\ns/s",
        "token\n/blank",
        "steps",
        "CER\n%",
        "speed-up over\nthe first",
    ):
        result.add_column(heading, justify="right", no_wrap=True)
    for row in comparison(trained):
        speed_ups = list(row["sooner_than_the_first"].items())
        # The lowest CER that both reached is most informative; otherwise the lowest that this one reached.
        both = [entry for entry in speed_ups if not entry[1]["at_least"]]
        level, factor = (both or speed_ups or [("", None)])[-1]
        result.add_row(
            row["name"],
            f"{row['parameters'] / 1e6:.1f}",
            f"{row['multiply_adds_per_audio_second'] / 1e9:.2f}",
            f"{row['audio_seconds_per_second']:.0f}",
            f"{row['tokens_per_blank']:.2f}",
            str(row["steps"]),
            f"{100 * row['cer'][-1]:.1f}",
            ""
            if factor is None
            else f"{'≥ ' * factor['at_least']}{factor['factor']:.1f}x to {100 * float(level):.0f} %",
        )
    return result


def plot(trained: Sequence[TrainedVariant]) -> Figure:
    """Plot mean CER over the hours of a GPU or a core."""
    figure, axis = plt.subplots(figsize=(9, 5.5), layout="constrained")
    for i, one in enumerate(trained):
        label = f"{one.variant.name} ({one.measured['parameters'] / 1e6:.1f} M)"
        axis.plot(one.hours, [100 * cer for cer in one.cers], marker=".", color=f"C{i}", label=label)
    axis.set_xlabel("hours of one core" if trained[0].measured["device"] == "cpu" else "hours of the GPU")
    axis.set_ylabel("validation CER, mean over domains, %")
    axis.set_ylim(0, 105)
    axis.set_xlim(left=0)
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def write(trained: Sequence[TrainedVariant], figure: Figure, out: Path) -> None:
    """Write `ablation.json` and `ablation.png`."""
    with atomic_write(out / "ablation.json") as temporary:
        temporary.write_text(json.dumps(comparison(trained), indent=1) + "\n")
    with atomic_write(out / "ablation.png") as temporary:
        figure.savefig(temporary, dpi=110, format="png")
