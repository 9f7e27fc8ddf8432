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
    steps: Annotated[int, typer.Option(help="steps to measure", min=1)] = 20,
    warmup: Annotated[int, typer.Option(help="steps before that", min=0)] = 5,
    precision: Annotated[list[str] | None, typer.Option(help="precision to try; may be given several times")] = None,
    with_compile: Annotated[bool, typer.Option("--compile", help="try each with torch.compile as well")] = False,
    batch_seconds: Annotated[list[float] | None, typer.Option(help="audio seconds of a batch to try")] = None,
    out: Annotated[Path, typer.Option(help="folder for what the trainings print")] = Path("runs/bench"),
) -> None:
    """Measure training and print JSON: speed, share of each part of the step, memory.

    All other options are those of `train.py fit`: --config FILE ...
    """
    choices = [
        [[]] if not precision else [[f"--trainer.precision={one}"] for one in precision],
        [[]] if not batch_seconds else [[f"--data.max_batch_seconds={one:g}"] for one in batch_seconds],
        [[], ["--model.compile=true"]] if with_compile else [[]],
    ]
    variants = [list(itertools.chain(*chosen)) for chosen in itertools.product(*choices)]
    reports = []
    for number, variant in enumerate(track(variants, "measuring")):
        options = [*context.args, *variant]
        reports.append({"options": variant, **measure_training(options, out / str(number), warmup, steps)})
    print(json.dumps(reports, indent=1))


@app.command()
def loading(
    manifests: Annotated[list[Path], typer.Argument(help="manifests, which are taken as one")],
    strength: Annotated[list[float], typer.Option(help="of the augmentation; may be given several times")] = STRENGTHS,
    sample_rate: Annotated[int, typer.Option(help="rate to read at, Hz")] = 16_000,
    utterances: Annotated[int, typer.Option(help="of each domain, at most", min=1)] = 300,
) -> None:
    """Measure how many audio seconds a second one core reads and augments, and print JSON by domain."""
    from stt.data.loading_speed import loading_speed  # takes seconds to import, which --help should not

    print(json.dumps(loading_speed(read_manifests(manifests), sample_rate, strength, utterances), indent=1))
