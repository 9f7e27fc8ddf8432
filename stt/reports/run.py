"""Reads a run folder: metrics over steps, checkpoint, configuration."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stt.checkpoint import read_checkpoint
from stt.errors import InputError
from stt.runs.folder import RunFolder

Curve = list[tuple[int, float]]  # (step, value), steps ascending


@dataclass(frozen=True)
class Run:
    """A run folder and one of its checkpoints."""

    folder: Path
    checkpoint: Path

    def state(self) -> dict[str, Any]:
        """Return the contents of the checkpoint, on the CPU.

        Raises:
            InputError: the file is not a training checkpoint.
        """
        state = read_checkpoint(self.checkpoint)
        if not {"global_step", "state_dict"} <= set(state):
            raise InputError(f"{self.checkpoint}: not a training checkpoint")
        return state

    def train_manifests(self) -> list[Path]:
        """Return the paths of the training manifests, replay last.

        Raises:
            InputError: the run folder has no configuration.
        """
        data = self.config()["data"]
        groups = (data["train"], data.get("replay") or [])
        return [Path(path) for paths in groups for path in ([paths] if isinstance(paths, str) else paths)]

    def metrics(self) -> dict[str, Curve]:
        """Return every logged metric over steps; where the logs of a resumed run overlap, the later one is used.

        Raises:
            InputError: the run folder has no log.
        """
        logs = RunFolder(self.folder).logs
        if not logs:
            raise InputError(f"{self.folder}: no log in this run folder (logs/version_*/metrics.csv)")
        curves: dict[str, Curve] = {}
        for log in logs:
            newer: dict[str, dict[int, float]] = {}
            with log.open(newline="", encoding="utf-8") as file:
                for line in csv.DictReader(file):
                    for name, value in line.items():
                        if value and name not in ("step", "epoch"):
                            newer.setdefault(name, {})[int(line["step"])] = float(value)
            for name, points in newer.items():
                curve = sorted(points.items())
                curves[name] = [point for point in curves.get(name, []) if point[0] < curve[0][0]] + curve
        return curves

    def config(self) -> dict[str, Any]:
        """Return the complete configuration.

        Raises:
            InputError: the run folder has none.
        """
        path = RunFolder(self.folder).config
        if not path.is_file():
            raise InputError(f"{path} is missing; every training run writes it")
        config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return config


def over(curve: Curve, axis: Curve) -> list[tuple[float, float]]:
    """Return a metric's points over another metric that was logged at the same steps, such as device hours."""
    positions = dict(axis)
    return [(positions[step], value) for step, value in curve if step in positions]


def find_run(path: Path) -> Run:
    """Return the run of a run folder (with its last checkpoint) or of a checkpoint inside one.

    Raises:
        InputError: the path is neither.
    """
    if path.is_file():
        return Run(path.parent.parent, path)
    last = RunFolder(path).last
    if not last.is_file():
        raise InputError(f"{path}: neither a checkpoint nor a run folder with {last.relative_to(path)}")
    return Run(path, last)
