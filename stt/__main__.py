"""The command line of everything but training: `python -m stt corpus | tokenizer | curriculum | ladder | ...`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from stt.commands import bench, corpus, corrector, curriculum, dashboard, ladder, lm, tokenizer
from stt.commands.report import report
from stt.commands.score import score
from stt.commands.transcribe import transcribe
from stt.errors import InputError, exit_with

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def packages(
    imported: Annotated[
        list[str] | None,
        typer.Option("--import", help="package that registers your own encoders or front ends, for checkpoints"),
    ] = None,
) -> None:
    """Corpora, tokenizers and transcripts; training is `python train.py fit`."""
    if imported:
        from stt.registry import import_packages  # torch, which --help should not wait for

        import_packages(imported)


app.add_typer(corpus.app, name="corpus")
app.add_typer(tokenizer.app, name="tokenizer")
app.add_typer(corrector.app, name="corrector")
app.add_typer(curriculum.app, name="curriculum")
app.add_typer(dashboard.app, name="dashboard")
app.add_typer(ladder.app, name="ladder")
app.add_typer(lm.app, name="lm")
app.add_typer(bench.app, name="bench")
app.command()(report)
app.command()(score)
app.command()(transcribe)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; bad input ends with one sentence and exit code 2.

    Args:
        args: arguments, for tests and notebooks; None takes those of the process.
    """
    try:
        app(args=args, prog_name="python -m stt", standalone_mode=True)
    except InputError as error:
        exit_with(error)


if __name__ == "__main__":
    main()
