"""Reads a run folder: metrics over steps, checkpoint, configuration."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stt.checkpoint import read_checkpoint
from stt.errors import InputError, reason
from stt.runs.folder import RunFolder, find_checkpoint

MAX_STEP = 2**53  # larger ones are not exact on an axis
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
            InputError: the run folder has no configuration, or it is corrupt.
        """
        data = self.config()["data"]
        groups = [data.get(name) or [] for name in ("train", "replay")]
        if not all(isinstance(group, str | list) and all(isinstance(one, str) for one in group) for group in groups):
            raise InputError(f"{RunFolder(self.folder).config}: data.train and data.replay must be names of manifests")
        paths = [path for group in groups for path in ([group] if isinstance(group, str) else group)]
        return [Path(path) for path in paths]

    def metrics(self) -> dict[str, Curve]:
        """Return every logged metric over steps; where the logs of a resumed run overlap, the later one is used.

        Raises:
            InputError: the run folder has no log, or a line of it is corrupt.
        """
        logs = RunFolder(self.folder).logs
        if not logs:
            raise InputError(f"{self.folder}: no log in this run folder (logs/version_*/metrics.csv)")
        curves: dict[str, Curve] = {}
        for log in logs:
            for name, points in _read_log(log).items():
                curve = sorted(points.items())
                curves[name] = [point for point in curves.get(name, []) if point[0] < curve[0][0]] + curve
        return curves

    def config(self) -> dict[str, Any]:
        """Return the complete configuration.

        Raises:
            InputError: the run folder has none, or it is corrupt.
        """
        path = RunFolder(self.folder).config
        if not path.is_file():
            raise InputError(f"{path} is missing; every training run writes it")
        try:
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
        except Exception as error:  # a corrupt file can raise anything
            raise InputError(f"{path}: not a configuration ({reason(error)})") from error
        if not isinstance(config, dict) or not all(isinstance(config.get(name), dict) for name in ("data", "model")):
            raise InputError(f"{path}: not the configuration of a run, which has the sections data and model")
        return config


def _read_log(path: Path) -> dict[str, dict[int, float]]:
    """Return the values of every metric by step."""
    points: dict[str, dict[int, float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, restkey="", strict=True)
        try:
            for line in reader:
                step = int(line["step"])
                if abs(step) > MAX_STEP or "" in line:
                    raise ValueError("invalid step, or more values than columns")
                for name, value in line.items():
                    if value and name not in ("step", "epoch"):
                        points.setdefault(name, {})[step] = float(value)
        except (ValueError, TypeError, KeyError, csv.Error) as error:
            raise InputError(f"{path}:{reader.line_num}: not a log of metrics ({reason(error)})") from error
    return points


def option_values(config: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every option of a configuration that is set, and its value; nested names are joined by dots.

    Args:
        config: the configuration, or the part of it that is called `name`.
        name: as on the command line, such as `model.optimizer.init_args.lr`; parts of a list are counted from 0.
    """
    if isinstance(config, list) and any(isinstance(part, dict) for part in config):
        config = dict(enumerate(config))
    if isinstance(config, dict):
        for key, value in config.items():
            yield from option_values(value, f"{name}.{key}" if name else str(key))
    elif config is not None:
        yield name, str(config)


def steps_done(logged: int) -> int:
    """Return after how many steps a value was logged: logs count from 0, where the parent of a fine-tuning is, too."""
    return logged + 1 if logged else 0


def over(curve: Curve, axis: Curve) -> list[tuple[float, float]]:
    """Return a metric's points over another metric that was logged at the same steps, such as device hours."""
    positions = dict(axis)
    return [(positions[step], value) for step, value in curve if step in positions]


def find_run(path: Path) -> Run:
    """Return the run of a run folder (with its last checkpoint) or of a checkpoint inside one.

    Raises:
        InputError: the path is neither.
    """
    checkpoint = find_checkpoint(path)
    return Run(path if path.is_dir() else path.parent.parent, checkpoint)
