"""The commands `python -m stt ladder ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stt.ladder.climb import Budget, climb
from stt.ladder.steps import LADDER, read_ladder
from stt.progress import track

app = typer.Typer(help="Train the networks that lead to the article's, and compare them.", no_args_is_help=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="configuration of the corpus, such as configs/data/demo.yaml")],
    out: Annotated[Path, typer.Option(help="folder for the runs")] = Path("runs/ladder"),
    step: Annotated[list[str] | None, typer.Option(help="step to train (default: all); several times")] = None,
    steps: Annotated[int | None, typer.Option(help="budget of each: optimizer steps")] = None,
    seconds: Annotated[float | None, typer.Option(help="budget of each: seconds of the device")] = None,
    points: Annotated[int, typer.Option(help="validations of each", min=4)] = 16,
    ladder: Annotated[Path, typer.Option(help="the steps")] = LADDER,
) -> None:
    """Train the steps one after the other under one budget; what is finished already is not repeated.

    All other options are those of `train.py fit`, the same for every step: --config configs/presets/gpu.yaml ...
    """
    budget = Budget(steps, seconds, points)
    budget.epochs(1e-9)  # wrong ones are refused before anything is trained
    for one in track(read_ladder(ladder, step or []), "climbing"):
        planned = climb(one, data, budget, out, context.args)
        print(f"{one.name}: {planned['epochs'] * planned['batches_per_epoch']} steps, {out / one.name}", flush=True)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="folder of the runs")] = Path("runs/ladder"),
    ladder: Annotated[Path, typer.Option(help="the steps")] = LADDER,
) -> None:
    """Compare what was trained: a table, ladder.json and a picture of CER over device hours."""
    import matplotlib as mpl

    mpl.use("agg")
    from stt.reports.ladder import compare, draw, table, write  # takes seconds to import, which --help should not

    compared = compare(read_ladder(ladder), out)
    Console().print(table(compared))
    write(compared, draw(compared), out)
    print(f"picture: {out / 'ladder.png'}, figures: {out / 'ladder.json'}")
