"""The ablation study: variants from Deep Speech 2 to the network used here, trained with one budget and compared.

    python benchmarks/ablation.py run --data configs/data/demo.yaml --seconds 3600
    python benchmarks/ablation.py report

Every variant is trained in a separate process, so that variants cannot affect each other's memory and threads. Finished
variants are not repeated, and interrupted ones are resumed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import yaml
from common import ROOT
from rich.console import Console

from stt.corpus.addresses import moved_rows
from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.errors import InputError, exit_with
from stt.files import atomic_write
from stt.progress import track
from stt.text.tokenizer import train_character_tokenizer
from stt.training.subprocesses import Deadline, measure_training, run_training
from stt.training.tracking.provenance import commit_of

VARIANTS = ROOT / "configs" / "ablation" / "variants.yaml"
MEASURED_SHARE = 0.02  # share of a budget in seconds spent on measuring the training speed
WARMUP_SHARE = 0.1  # share of the steps; a warm-up for long training runs would take up all of a short one


@dataclass(frozen=True)
class Variant:
    """A network of the study."""

    name: str
    change: str  # compared to the previous variant
    config: str  # model configuration, relative to the repository root
    letters: bool = False  # character tokenizer instead of that of the data configuration


def read_variants(path: Path = VARIANTS, names: Sequence[str] = ()) -> list[Variant]:
    """Read the variants of a study, or only those in `names`.

    Raises:
        InputError: the file is not a list of variants, or lacks a name.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such list of variants")
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise InputError(f"{path}: not a list of variants")
    known = {field.name for field in fields(Variant)}
    variants = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not {"name", "change", "config"} <= set(entry) <= known:
            raise InputError(f"{path}: variant {number} requires name, change and config, and may have letters")
        variants.append(Variant(**entry))
        if not (ROOT / variants[-1].config).is_file():
            raise InputError(f"{path}: {variants[-1].config} of variant {variants[-1].name} is missing")
    unknown = sorted(set(names) - {one.name for one in variants})
    if unknown:
        raise InputError(f"{path} has no variant {', '.join(unknown)}; it has {', '.join(v.name for v in variants)}")
    return [one for one in variants if not names or one.name in names]


@dataclass(frozen=True)
class Budget:
    """Training budget of each variant, in steps or device seconds; on a CPU they are core seconds."""

    steps: int | None = None
    seconds: float | None = None
    points: int = 16  # number of validations, evenly spaced

    def epochs(self, seconds_per_step: float) -> tuple[int, int]:
        """Return the number of epochs, each of which ends with a validation, and the batches per epoch.

        Raises:
            InputError: not exactly one of steps and seconds is given, or the budget does not suffice for one step.
        """
        if (self.steps is None) == (self.seconds is None):
            raise InputError("set the budget either in steps or in seconds")
        steps = self.steps if self.steps is not None else int((self.seconds or 0) / seconds_per_step)
        if steps < 1:
            raise InputError(f"the budget does not suffice for one step of {seconds_per_step:.1f} s")
        epochs = min(self.points, steps)
        return epochs, steps // epochs


def train_variant(
    variant: Variant,
    data: Path,
    budget: Budget,
    out: Path,
    options: Sequence[str],
    deadline: Deadline = Deadline(),  # noqa: B008 - immutable
) -> dict[str, Any]:
    """Train a variant, or resume it; does nothing if it is finished.

    Args:
        variant: network to train.
        data: configuration of the corpus, as for `train.py --config`.
        budget: training budget.
        out: folder of the study; the run is a subfolder.
        options: additional options for `train.py`, shared by all variants.
        deadline: time at which training is interrupted.

    Returns:
        Measurements of `StepProfiler`, the variant and its budget; also written to `variant.json` in the run.

    Raises:
        InputError: training failed.
        OutOfTime: the deadline came first; the next call resumes.
    """
    run = out / variant.name
    result = run / "variant.json"
    shared = [f"--config={data}", f"--config={ROOT / variant.config}"]
    if variant.letters:
        shared.append(f"--model.tokenizer={character_tokenizer(data, out)}")
    shared += options
    plan = run / "plan.json"
    if not plan.exists():
        measured = _measure(shared, run, budget, deadline)
        epochs, batches = budget.epochs(_device_seconds(measured))
        length_of = {"epochs": epochs, "batches_per_epoch": batches, "budget_seconds": budget.seconds}
        _write(plan, {**vars(variant), **length_of, **measured, **commit_of(ROOT)})
    planned: dict[str, Any] = json.loads(plan.read_text())
    if result.exists():
        return planned
    steps = planned["epochs"] * planned["batches_per_epoch"]
    length = [f"--trainer.max_steps={steps}", f"--data.batches_per_epoch={planned['batches_per_epoch']}"]
    length += [f"--model.lr_scheduler.warmup_steps={max(1, round(WARMUP_SHARE * steps))}", f"--run={run}"]
    run_training(["fit", *shared, *length, "--ckpt_path=last"], run / "output.txt", deadline)
    _write(result, planned)
    return planned


def _measure(options: Sequence[str], run: Path, budget: Budget, deadline: Deadline) -> dict[str, Any]:
    """Measure some steps, and more if they are fast: batches differ, and the first ones are prefetched."""
    measured = measure_training(options, run, 1, 3, deadline)
    more = int(MEASURED_SHARE * (budget.seconds or 0) / _device_seconds(measured))
    return measure_training(options, run, 1, more, deadline) if more > 3 else measured


def _device_seconds(measured: dict[str, Any]) -> float:
    """Return the seconds of a step; of a core, the wall clock tells how much of it others have taken."""
    return float(measured["core_seconds_per_step" if measured["device"] == "cpu" else "seconds_per_step"])


def character_tokenizer(data: Path, out: Path) -> Path:
    """Return the path of a character tokenizer of a corpus, creating it if missing.

    Raises:
        InputError: the configuration has no training manifest.
    """
    path = out / "letters.model"
    if not path.exists():
        tokenizer = train_character_tokenizer(_manifest(data, "train").table["text"].to_pylist())
        with atomic_write(path) as temporary:
            temporary.write_bytes(tokenizer.model)
    return path


def fewer_to_validate(data: Path, utterances: int, out: Path) -> Path:
    """Write a manifest of some utterances of each validation domain, evenly spread over its rows, and return its path.

    Raises:
        InputError: the configuration has no validation manifest, or not exactly one.
    """
    manifest = _manifest(data, "validate")
    keep = np.zeros(len(manifest), bool)
    for rows in manifest.rows_by_domain():
        keep[rows[np.linspace(0, len(rows) - 1, min(utterances, len(rows))).round().astype(int)]] = True
    out.mkdir(parents=True, exist_ok=True)
    write_manifest(moved_rows(manifest, out).filter(keep), out / "validate.parquet", manifest.normalizer or "")
    return out / "validate.parquet"


def _manifest(data: Path, split: str) -> Manifest:
    path = yaml.safe_load(data.read_text(encoding="utf-8")).get("data", {}).get(split)
    if not isinstance(path, str):
        raise InputError(f"{data}: data.{split} is not one manifest")
    return read_manifest(Path(path))


def _write(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


app = typer.Typer(help="Train and compare the variants of the ablation study.", no_args_is_help=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="data configuration, such as configs/data/demo.yaml")],
    out: Annotated[Path, typer.Option(help="folder for the runs")] = Path("runs/ablation"),
    variant: Annotated[list[str] | None, typer.Option(help="variant to train (default: all); repeatable")] = None,
    steps: Annotated[int | None, typer.Option(help="budget per variant in optimizer steps")] = None,
    seconds: Annotated[float | None, typer.Option(help="budget per variant in device seconds")] = None,
    points: Annotated[int, typer.Option(help="validations per variant", min=4)] = 16,
    utterances: Annotated[
        int | None, typer.Option(help="utterances of each domain to validate on (default: all)", min=1)
    ] = None,
    variants: Annotated[Path, typer.Option(help="list of variants")] = VARIANTS,
) -> None:
    """Train the variants in turn with one budget; finished ones are not repeated.

    Other options are passed to `train.py fit` for every variant: --config configs/presets/gpu.yaml ...
    """
    budget = Budget(steps, seconds, points)
    budget.epochs(1e-9)  # reject invalid budgets before training
    chosen, options = read_variants(variants, variant or []), list(context.args)
    if utterances:
        options.append(f"--data.validate={fewer_to_validate(data, utterances, out)}")
    for one in track(chosen, "training"):
        planned = train_variant(one, data, budget, out, options)
        print(f"{one.name}: {planned['epochs'] * planned['batches_per_epoch']} steps, {out / one.name}", flush=True)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="folder of the runs")] = Path("runs/ablation"),
    variants: Annotated[Path, typer.Option(help="list of variants")] = VARIANTS,
) -> None:
    """Compare the trained variants: a table, ablation.json and a plot of CER over hours."""
    import matplotlib as mpl

    mpl.use("agg")
    from ablation_report import compare, plot, table, write  # it imports this module

    compared = compare(read_variants(variants), out)
    Console().print(table(compared))
    write(compared, plot(compared), out)
    print(f"plot: {out / 'ablation.png'}, results: {out / 'ablation.json'}")


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; invalid input gives a one-line error and exit code 2."""
    try:
        app(args=args, prog_name="python benchmarks/ablation.py", standalone_mode=True)
    except InputError as error:
        exit_with(error)


if __name__ == "__main__":
    main()
