"""The command line of everything but training: `stt corpus | tokenizer | curriculum | ...`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from stt.errors import InputError, MissingExtraError, exit_with, missing_extra

COMMANDS = (  # each is the module of its name in stt.cli
    "corpus",
    "tokenizer",
    "corrector",
    "curriculum",
    "dashboard",
    "lm",
    "bench",
    "report",
    "score",
    "transcribe",
)


class Commands(TyperGroup):
    """Imports a command when it is asked for, so that one whose extra is missing stands in nobody's way."""

    # Of Any: the classes are those of the click that typer brings, and are not public.
    def list_commands(self, ctx: Any) -> list[str]:
        """Name all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; in place of one whose extra is missing comes one that says so."""
        if cmd_name not in COMMANDS:
            return None
        try:
            command = typer.main.get_command(importlib.import_module(f"stt.cli.{cmd_name}").app)
        except ModuleNotFoundError as error:
            return _unavailable(cmd_name, missing_extra(error))
        command.name = cmd_name
        return command


def _unavailable(name: str, missing: MissingExtraError) -> TyperCommand:
    def refuse() -> None:
        raise missing

    return TyperCommand(
        name,
        callback=refuse,
        help=str(missing).partition(":")[0],  # brackets of the rest would be taken for colours
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False)


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


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; bad input ends with one sentence and exit code 2.

    Args:
        args: arguments, for tests and notebooks; None takes those of the process.
    """
    try:
        app(args=args, prog_name="stt", standalone_mode=True)
    except InputError as error:
        exit_with(error)
    except ModuleNotFoundError as error:
        exit_with(missing_extra(error))
