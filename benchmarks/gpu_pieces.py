"""The pieces that the GPU measurements consist of; each is done once, and training is interrupted and resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from ablation import Budget, Variant, train_variant
from ablation_report import compare, comparison
from common import ROOT

from stt.errors import InputError
from stt.files import atomic_write
from stt.runs.folder import RunFolder
from stt.training.subprocesses import Deadline, OutOfTime, measure_training

PARTS = ("speed", "ablation", "curriculum")
BATCH_SECONDS = (150, 300, 600)  # with more, 20 batches exceed the corpus, and planning takes longer than a step
COMPILE = ("false", "true")
STEPS, WARMUP = 40, 15  # of a measurement of speed
MIN_SECONDS = 60.0  # left of a command in which another piece is still started
WORKERS = min(14, max(1, (os.cpu_count() or 1) - 2))
PRESET = (  # before all other options, which replace what it sets
    f"--config={ROOT}/configs/presets/gpu.yaml",
    f"--data.num_workers={WORKERS}",
    "--trainer.enable_progress_bar=false",
)
UNIFORM = "--data.sampler=UniformSampler"


@dataclass(frozen=True)
class Piece:
    """A part of the work that is done once."""

    part: str
    name: str
    folder: Path  # of its run
    do: Callable[[Deadline], dict[str, Any]]

    @property
    def result(self) -> Path:
        """File with the result, or with the reason why there is none."""
        return self.folder / "result.json"

    def progress(self) -> list[int]:
        """Return when files to resume from were last written."""
        files = (self.folder / "plan.json", RunFolder(self.folder).last)
        return [file.stat().st_mtime_ns for file in files if file.exists()]


@dataclass(frozen=True)
class Work:
    """What to measure."""

    folder: Path  # of runs and results
    data: Path  # data configuration
    model: Path  # model configuration of the speed and of the curriculum
    variants: Sequence[Variant]  # of the ablation
    budget: Budget  # of each training
    options: Sequence[str]  # for every training

    def pieces(self, parts: Sequence[str], names: Sequence[str] = ()) -> list[Piece]:
        """Return the pieces of some parts, in the order of the parts; of the ablation only variants in `names`."""
        makers = {"speed": self._speed, "ablation": self._ablation, "curriculum": self._curriculum}
        found = [piece for part in parts for piece in makers[part]()]
        return [piece for piece in found if piece.part != "ablation" or not names or piece.name in names]

    def results(self) -> dict[str, Any]:
        """Return the results of all pieces so far, and by name those that failed."""
        results: dict[str, Any] = {}
        failed: dict[str, str] = {}
        for part in PARTS:
            done = [(piece, json.loads(piece.result.read_text())) for piece in self.pieces([part]) if _is_done(piece)]
            failed |= {f"{part}/{piece.name}": found["failed"] for piece, found in done if "failed" in found}
            good = [(piece, found) for piece, found in done if "failed" not in found]
            if good and part == "speed":
                results[part] = [found for _, found in good]
            elif good:
                variants = [Variant(*(found[field.name] for field in fields(Variant))) for _, found in good]
                results[part] = comparison(compare(variants, self.folder / part))
        return results | ({"failed": failed} if failed else {})

    def _speed(self) -> Iterator[Piece]:
        for compiled in COMPILE:
            for seconds in BATCH_SECONDS:
                name = f"{seconds}_s{'_compiled' if compiled == 'true' else ''}"
                variant = [f"--data.max_batch_seconds={seconds}", f"--model.compile={compiled}"]
                folder = self.folder / "speed" / name
                yield Piece("speed", name, folder, self._measurement(variant, folder))

    def _measurement(self, variant: list[str], folder: Path) -> Callable[[Deadline], dict[str, Any]]:
        options = [f"--config={self.data}", f"--config={self.model}", *PRESET]
        options += [*variant, "--trainer.precision=bf16-mixed", *self.options]

        def measure(deadline: Deadline) -> dict[str, Any]:
            return {"options": variant, **measure_training(options, folder, WARMUP, STEPS, deadline)}

        return measure

    def _ablation(self) -> Iterator[Piece]:
        for variant in self.variants:
            yield self._training("ablation", variant, self.budget)

    def _curriculum(self) -> Iterator[Piece]:
        config = str(self.model)
        variant = Variant("uniform", "every utterance once a pass", config)
        uniform = self._training("curriculum", variant, self.budget, [UNIFORM])
        yield uniform
        steered = Variant("curriculum", "the adaptive curriculum, for the same number of steps", config)

        def train(deadline: Deadline) -> dict[str, Any]:
            plan = uniform.folder / "plan.json"
            if not plan.exists():
                raise InputError(f"{uniform.folder} was not trained, so that the number of steps is unknown")
            planned = json.loads(plan.read_text())
            budget = Budget(steps=planned["epochs"] * planned["batches_per_epoch"], points=planned["epochs"])
            return self._training("curriculum", steered, budget).do(deadline)

        yield Piece("curriculum", steered.name, self.folder / "curriculum" / steered.name, train)

    def _training(self, part: str, variant: Variant, budget: Budget, more: Sequence[str] = ()) -> Piece:
        out = self.folder / part
        options = [*PRESET, *more, "--data.max_batch_seconds=160", *self.options]

        def train(deadline: Deadline) -> dict[str, Any]:
            return train_variant(variant, self.data, budget, out, options, deadline)

        return Piece(part, variant.name, out / variant.name, train)


def prepared(
    data: Path, folder: Path, model: Path, variants: Sequence[Variant], budget: Budget, options: Sequence[str]
) -> Work:
    """Return the work on a folder with train.parquet, dev.parquet and tokenizer.model.

    Raises:
        InputError: one of them is missing, or the budget is invalid.
    """
    files = {name: data / name for name in ("train.parquet", "dev.parquet", "tokenizer.model")}
    for file in files.values():
        if not file.is_file():
            raise InputError(f"{file} is missing: make gpu-bundle writes it")
    budget.epochs(1e-9)  # reject an invalid one before training
    config = yaml.safe_load((ROOT / "configs" / "data" / "speechocean762.yaml").read_text(encoding="utf-8"))
    train, dev, tokenizer = (str(file.absolute()) for file in files.values())
    config["data"] |= {"train": train, "validate": dev}
    config["model"] |= {"tokenizer": tokenizer}
    path = folder.absolute() / "data.yaml"
    with atomic_write(path) as temporary:
        temporary.write_text(yaml.safe_dump(config))
    return Work(folder.absolute(), path, model, variants, budget, options)


def do(pieces: Sequence[Piece], deadline: Deadline) -> Iterator[Piece]:
    """Do the pieces that are left until the deadline, and yield each that is finished; failures are results as well."""
    left = [piece for piece in pieces if not _is_done(piece)]
    for number, piece in enumerate(left):
        if number and deadline.seconds_left < MIN_SECONDS:
            return
        before = piece.progress()
        try:
            result = piece.do(deadline)
        except OutOfTime as error:
            if number or deadline.seconds_left or piece.progress() != before:
                return
            result = {"failed": f"a whole command did not suffice: {error}"}
        except InputError as error:
            result = {"failed": str(error)}
        with atomic_write(piece.result) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")
        yield piece


def _is_done(piece: Piece) -> bool:
    return piece.result.exists()
