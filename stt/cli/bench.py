"""The commands `stt bench ...`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated

import typer

from stt.corpus.manifest import read_manifests
from stt.progress import track
from stt.training.subprocesses import measure_training

STRENGTHS = [0.2, 0.5, 0.9]
app = typer.Typer(help="Measure speed and memory.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure speed and memory."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train(
    context: typer.Context,
    steps: Annotated[int, typer.Option(help="number of steps to measure", min=1, max=10_000_000)] = 20,
    warmup: Annotated[int, typer.Option(help="warm-up steps before the measurement", min=0, max=10_000_000)] = 5,
    precision: Annotated[list[str] | None, typer.Option(help="precision to measure; may be repeated")] = None,
    with_compile: Annotated[
        bool, typer.Option("--compile", help="also measure each variant with torch.compile")
    ] = False,
    batch_seconds: Annotated[
        list[float] | None, typer.Option(help="maximum audio seconds per batch to measure; may be repeated")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the output of the training runs")] = Path("runs/bench"),
) -> None:
    """Measure training and print JSON: speed, time share of each phase of a step, memory.

    All other options are those of `train.py fit`: --config FILE ...
    """
    alternatives = [
        [[]] if not precision else [[f"--trainer.precision={value}"] for value in precision],
        [[]] if not batch_seconds else [[f"--data.max_batch_seconds={value:g}"] for value in batch_seconds],
        [[], ["--model.compile=true"]] if with_compile else [[]],
    ]
    variants = [list(itertools.chain(*combination)) for combination in itertools.product(*alternatives)]
    reports = []
    for number, variant in enumerate(track(variants, "measuring")):
        options = [*context.args, *variant]
        reports.append({"options": variant, **measure_training(options, out / str(number), warmup, steps)})
    print(json.dumps(reports, indent=1))


@app.command()
def loading(
    manifests: Annotated[list[Path], typer.Argument(help="manifests; several are concatenated")],
    strength: Annotated[list[float], typer.Option(help="augmentation strength; may be repeated")] = STRENGTHS,
    sample_rate: Annotated[int, typer.Option(help="sample rate, Hz", min=1_000, max=384_000)] = 16_000,
    utterances: Annotated[int, typer.Option(help="maximum utterances per domain", min=1)] = 300,
) -> None:
    """Measure the RTFx (audio seconds per second) of one core reading and augmenting; print JSON by domain."""
    from stt.data.loading_speed import loading_speed  # imported here to keep --help fast

    print(json.dumps(loading_speed(read_manifests(manifests), sample_rate, strength, utterances), indent=1))
