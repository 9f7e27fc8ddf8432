"""The `stt` command line, for everything but training: `stt corpus | tokenizer | curriculum | ...`."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from stt.errors import InputError, MissingExtraError, exit_with, file_system_error, missing_extra
from stt.files import protected

COMMANDS = (  # each is a module in stt.cli
    "corpus",
    "tokenizer",
    "corrector",
    "curriculum",
    "dashboard",
    "lm",
    "bench",
    "export",
    "report",
    "score",
    "serve",
    "transcribe",
)
OUTPUTS = frozenset({"out", "label_errors", "dry_run", "srt", "textgrid"})  # parameters that name what a command writes


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
        _protect_inputs(command)
        return command


def _protect_inputs(command: Any) -> None:
    """Let no command overwrite the files that it reads: all those that its parameters name, but for its outputs."""
    for inner in getattr(command, "commands", {}).values():
        _protect_inputs(inner)
    callback = command.callback
    if callback is None or hasattr(command, "commands"):
        return

    @functools.wraps(callback)
    def run(*args: Any, **parameters: Any) -> Any:
        values = [value for name, value in parameters.items() if name not in OUTPUTS]
        with protected(_paths(values)):
            return callback(*args, **parameters)

    command.callback = run


def _paths(values: Sequence[Any]) -> Iterator[Path | str]:
    for value in values:
        if isinstance(value, Path | str):
            yield value
        elif isinstance(value, list | tuple):
            yield from _paths(value)


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
    for stream in (sys.stdout, sys.stderr):  # file names need not be UTF-8
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args=args, prog_name="stt", standalone_mode=True)
    except InputError as error:
        exit_with(error)
    except ModuleNotFoundError as error:
        exit_with(missing_extra(error))
    except OSError as error:
        exit_with(file_system_error(error))
