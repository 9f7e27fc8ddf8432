"""The ablation study: the networks that lead to the article's, trained under one budget and compared.

    python benchmarks/ablation.py run --data configs/data/demo.yaml --seconds 3600
    python benchmarks/ablation.py report

Every variant trains in a process of its own, so that memory and threads of one do not reach the next; what is finished
is not repeated, and what was interrupted is resumed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from common import ROOT
from rich.console import Console

from stt.corpus.manifest import read_manifest
from stt.errors import InputError, exit_with
from stt.files import atomic_write
from stt.progress import track
from stt.runs.folder import RunFolder
from stt.text.tokenizer import train_character_tokenizer
from stt.training.subprocesses import measure_training, run_training

VARIANTS = ROOT / "configs" / "ablation" / "variants.yaml"
MEASURED_SHARE = 0.02  # of a budget in seconds, to find out how fast the training is
WARMUP_SHARE = 0.1  # of the steps; a warm-up made for long trainings would take all of a short one


@dataclass(frozen=True)
class Variant:
    """One network of the study."""

    name: str
    change: str  # against the variant before
    config: str  # model configuration, from the root of the template
    letters: bool = False  # one token a letter instead of the tokenizer of the data configuration


def read_variants(path: Path = VARIANTS, names: Sequence[str] = ()) -> list[Variant]:
    """Read the variants of a study, or those of them that are named.

    Raises:
        InputError: the file is not a list of variants, or a name is not in it.
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
            raise InputError(f"{path}: variant {number} must have name, change, config, and may have letters")
        variants.append(Variant(**entry))
        if not (ROOT / variants[-1].config).is_file():
            raise InputError(f"{path}: {variants[-1].config}, of variant {variants[-1].name}, is missing")
    unknown = sorted(set(names) - {one.name for one in variants})
    if unknown:
        raise InputError(f"{path} has no variant {', '.join(unknown)}; it has {', '.join(v.name for v in variants)}")
    return [one for one in variants if not names or one.name in names]


@dataclass(frozen=True)
class Budget:
    """What every variant may spend: a number of steps, or seconds of the device."""

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


def train_variant(variant: Variant, data: Path, budget: Budget, out: Path, options: Sequence[str]) -> dict[str, Any]:
    """Train one variant, or resume it; nothing is done where it is finished.

    Args:
        variant: which network.
        data: configuration of the corpus, as for `train.py --config`.
        budget: what may be spent.
        out: folder of the study; the run goes to a folder in it.
        options: more options for `train.py`, the same for every variant.

    Returns:
        What `StepProfiler` measured, and the variant with its budget; also written to `variant.json` in the run.

    Raises:
        InputError: the training failed.
    """
    run = out / variant.name
    result = run / "variant.json"
    shared = [f"--config={data}", f"--config={ROOT / variant.config}"]
    if variant.letters:
        shared.append(f"--model.tokenizer={letters_of(data, out)}")
    shared += options
    plan = run / "plan.json"
    if not plan.exists():
        measured = _measure(shared, run, budget)
        epochs, batches = budget.epochs(measured["seconds_per_step"])
        _write(plan, {**vars(variant), "epochs": epochs, "batches_per_epoch": batches, **measured})
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
        tokenizer = train_character_tokenizer(read_manifest(Path(train)).table["text"].to_pylist())
        with atomic_write(path) as temporary:
            temporary.write_bytes(tokenizer.model)
    return path


def _write(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


app = typer.Typer(help="Train the networks that lead to the article's, and compare them.", no_args_is_help=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="configuration of the corpus, such as configs/data/demo.yaml")],
    out: Annotated[Path, typer.Option(help="folder for the runs")] = Path("runs/ablation"),
    variant: Annotated[list[str] | None, typer.Option(help="variant to train (default: all); repeatable")] = None,
    steps: Annotated[int | None, typer.Option(help="budget of each: optimizer steps")] = None,
    seconds: Annotated[float | None, typer.Option(help="budget of each: seconds of the device")] = None,
    points: Annotated[int, typer.Option(help="validations of each", min=4)] = 16,
    variants: Annotated[Path, typer.Option(help="the list of variants")] = VARIANTS,
) -> None:
    """Train the variants one after the other under one budget; what is finished is not repeated.

    All other options are those of `train.py fit`, the same for every variant: --config configs/presets/gpu.yaml ...
    """
    budget = Budget(steps, seconds, points)
    budget.epochs(1e-9)  # wrong ones are refused before anything is trained
    for one in track(read_variants(variants, variant or []), "training"):
        planned = train_variant(one, data, budget, out, context.args)
        print(f"{one.name}: {planned['epochs'] * planned['batches_per_epoch']} steps, {out / one.name}", flush=True)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="folder of the runs")] = Path("runs/ablation"),
    variants: Annotated[Path, typer.Option(help="the list of variants")] = VARIANTS,
) -> None:
    """Compare what was trained: a table, ablation.json and a picture of CER over device hours."""
    import matplotlib as mpl

    mpl.use("agg")
    from ablation_report import compare, plot, table, write  # it imports this module

    compared = compare(read_variants(variants), out)
    Console().print(table(compared))
    write(compared, plot(compared), out)
    print(f"picture: {out / 'ablation.png'}, figures: {out / 'ablation.json'}")


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; bad input ends with one sentence and exit code 2."""
    try:
        app(args=args, prog_name="python benchmarks/ablation.py", standalone_mode=True)
    except InputError as error:
        exit_with(error)


if __name__ == "__main__":
    main()
