"""The `stt` command line, for everything but training: `stt corpus | tokenizer | curriculum | ...`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from stt.errors import InputError, MissingExtraError, exit_with, missing_extra

COMMANDS = (  # each is a module in stt.cli
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
    """Imports commands lazily, so that a missing extra only affects the commands that need it."""

    # Typed as Any: the classes of the click bundled with typer are not public.
    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; if its extra is missing, return a command that reports it."""
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
        help=str(missing).partition(":")[0],  # brackets in the rest would be parsed as markup
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
    """Prepare corpora and tokenizers, transcribe and evaluate; to train, use `python train.py fit`."""
    if imported:
        from stt.registry import import_packages  # imported here to keep --help fast: loads torch

        import_packages(imported)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; bad input gives a one-sentence error and exit code 2.

    Args:
        args: arguments, for tests and notebooks; None uses those of the process.
    """
    try:
        app(args=args, prog_name="stt", standalone_mode=True)
    except InputError as error:
        exit_with(error)
    except ModuleNotFoundError as error:
        exit_with(missing_extra(error))
