"""Trains the steps of a ladder, each in a process of its own, under one budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stt.corpus.manifest import read_manifest
from stt.errors import InputError
from stt.files import written_aside
from stt.ladder.steps import Step
from stt.launch import ROOT, measure_training, run_training
from stt.runs.folder import RunFolder
from stt.text.tokenizer import train_letters

MEASURED_SHARE = 0.02  # of a budget in seconds, to find out how fast the training is
WARMUP_SHARE = 0.1  # of the steps; a warm-up made for long trainings would take all of a short one


@dataclass(frozen=True)
class Budget:
    """What every step may spend: a number of steps, or seconds of the device."""

    steps: int | None = None
    seconds: float | None = None
    points: int = 16  # validations, evenly spread

    def epochs(self, seconds_per_step: float) -> tuple[int, int]:
        """Give the number of epochs, each of which ends with a validation, and the batches of each.

        Raises:
            InputError: not exactly one of steps and seconds is given, or it is not enough for one step.
        """
        if (self.steps is None) == (self.seconds is None):
            raise InputError("the budget is either a number of steps or of seconds: give one of them")
        steps = self.steps if self.steps is not None else int((self.seconds or 0) / seconds_per_step)
        if steps < 1:
            raise InputError(f"the budget is not enough for a step of {seconds_per_step:.1f} s")
        epochs = min(self.points, steps)
        return epochs, steps // epochs


def climb(step: Step, data: Path, budget: Budget, out: Path, options: Sequence[str]) -> dict[str, Any]:
    """Train one step; what was finished already is not repeated, what was cut off goes on.

    Args:
        step: which network.
        data: configuration of the corpus, as for `train.py --config`.
        budget: what may be spent.
        out: folder of the ladder; the run goes to a folder in it.
        options: more options for `train.py`, the same for every step.

    Returns:
        What `StepTimes` measured, and the step with its budget; also written to `ladder.json` in the run.

    Raises:
        InputError: the training failed.
    """
    run = out / step.name
    result = run / "ladder.json"
    shared = [f"--config={data}", f"--config={ROOT / step.config}"]
    if step.letters:
        shared.append(f"--model.tokenizer={letters_of(data, out)}")
    shared += options
    plan = run / "plan.json"
    if not plan.exists():
        measured = _measure(shared, run, budget)
        epochs, batches = budget.epochs(measured["seconds_per_step"])
        _write(plan, {**vars(step), "epochs": epochs, "batches_per_epoch": batches, **measured})
    planned: dict[str, Any] = json.loads(plan.read_text())
    if result.exists():
        return planned
    steps = planned["epochs"] * planned["batches_per_epoch"]
    length = [f"--trainer.max_steps={steps}", f"--data.batches_per_epoch={planned['batches_per_epoch']}"]
    length += [f"--model.lr_scheduler.warmup_steps={max(1, round(WARMUP_SHARE * steps))}", f"--run={run}"]
    last = RunFolder(run).last
    resume = [f"--ckpt_path={last}"] if last.exists() else []
    run_training(["fit", *shared, *length, *resume], run / "output.txt")
    _write(result, planned)
    return planned


def _measure(options: Sequence[str], run: Path, budget: Budget) -> dict[str, Any]:
    """Measure some steps. A few of a fast training say little: its batches differ, and the first ones lie ready."""
    measured = measure_training(options, run, warmup=1, steps=3)
    more = int(MEASURED_SHARE * (budget.seconds or 0) / measured["seconds_per_step"])
    return measure_training(options, run, warmup=1, steps=more) if more > 3 else measured


def letters_of(data: Path, out: Path) -> Path:
    """Tokenizer with a token for every letter of a corpus, made where it is missing.

    Raises:
        InputError: the configuration names no training manifest.
    """
    path = out / "letters.model"
    if not path.exists():
        train = yaml.safe_load(data.read_text(encoding="utf-8")).get("data", {}).get("train")
        if not train:
            raise InputError(f"{data}: no training manifest (data.train)")
        tokenizer = train_letters(read_manifest(Path(train)).table["text"].to_pylist())
        with written_aside(path) as aside:
            aside.write_bytes(tokenizer.model)
    return path


def _write(path: Path, content: dict[str, Any]) -> None:
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content, indent=1) + "\n")
