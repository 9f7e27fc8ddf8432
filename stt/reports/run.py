"""Reading a run folder: its metrics over steps, its checkpoint, its configuration."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stt.errors import InputError
from stt.registry import read_checkpoint
from stt.runs.folder import RunFolder

Curve = list[tuple[int, float]]  # (step, value), steps ascending


@dataclass(frozen=True)
class Run:
    """A run folder and the checkpoint in it that is looked at."""

    folder: Path
    checkpoint: Path

    def state(self) -> dict[str, Any]:
        """Everything the checkpoint holds, on the CPU.

        Raises:
            InputError: the file is not a checkpoint of a training.
        """
        state = read_checkpoint(self.checkpoint)
        if not {"global_step", "state_dict"} <= set(state):
            raise InputError(f"{self.checkpoint}: not a checkpoint of a training")
        return state

    def train_manifests(self) -> list[Path]:
        """Where the manifests that the run trained on were, those of replay last.

        Raises:
            InputError: the run folder has no configuration.
        """
        data = self.config()["data"]
        given = (data["train"], data.get("replay") or [])
        return [Path(one) for paths in given for one in ([paths] if isinstance(paths, str) else paths)]

    def metrics(self) -> dict[str, Curve]:
        """Every logged metric over the steps; where a run was resumed, the later log counts.

        Raises:
            InputError: the run folder has no log.
        """
        logs = RunFolder(self.folder).logs
        if not logs:
            raise InputError(f"{self.folder}: there is no log in this run folder (logs/version_*/metrics.csv)")
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
        """The whole configuration.

        Raises:
            InputError: the run folder has none.
        """
        path = RunFolder(self.folder).config
        if not path.is_file():
            raise InputError(f"{path} is missing, which a training leaves in its folder")
        config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return config


def over(curve: Curve, axis: Curve) -> list[tuple[float, float]]:
    """Give a metric's points over another metric, such as device hours, that was logged at the same steps."""
    places = dict(axis)
    return [(places[step], value) for step, value in curve if step in places]


def find_run(path: Path) -> Run:
    """Find the run that a run folder or a checkpoint inside of one stands for; a folder means its last checkpoint.

    Raises:
        InputError: it is neither.
    """
    if path.is_file():
        return Run(path.parent.parent, path)
    last = RunFolder(path).last
    if not last.is_file():
        raise InputError(f"{path}: neither a checkpoint nor a run folder with {last.relative_to(path)} in it")
    return Run(path, last)
