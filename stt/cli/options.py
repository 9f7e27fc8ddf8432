"""Commands made of functions, whose keyword parameters become options; and what several commands share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

Manifests = Annotated[list[Path], typer.Argument(help="manifests; several are concatenated")]
UnlessNormalized = Annotated[str, typer.Option(help="normalizer for manifests that were not normalized at import")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="skip and list bad rows instead of failing")]
Parameter = tuple[Any, Any]  # type and default
NAMED = 5  # ids in a message
REQUIRED = inspect.Parameter.empty


def add_command(
    app: typer.Typer,
    name: str,
    function: Callable[..., Any],
    run: Callable[..., None],
    shared: Mapping[str, Parameter],
    given: Sequence[str] = (),
) -> None:
    """Add a command that calls `run(function, **options)`; its help is the docstring of the function.

    Args:
        app: where to add it.
        name: of the command.
        function: its keyword-only parameters become options, but for those that are shared or `given` by `run`.
        run: what the command does.
        shared: type and default of further parameters of `run`, by name; `REQUIRED` for no default. Where the function
            has such a parameter with a default, it is that one.
        given: names of parameters that are no options.
    """
    hints = get_type_hints(function)
    parameters = dict(shared)
    for parameter in inspect.signature(function).parameters.values():
        kind, default = hints.get(parameter.name), parameter.default
        if parameter.name in shared:
            if default is not REQUIRED:
                parameters[parameter.name] = shared[parameter.name][0], default
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name not in given:
            # Without a default it would become an argument.
            parameters[parameter.name] = Annotated[kind, typer.Option()] if default is REQUIRED else kind, default
    command = functools.partial(run, function)
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in parameters.items()
        ]
    )
    command.__annotations__ = {key: kind for key, (kind, _) in parameters.items()}
    app.command(name, help=inspect.getdoc(function))(command)


def named(ids: Sequence[str]) -> str:
    """Format how many utterances there are, and the first of them."""
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return f"{len(ids)} utterances: {', '.join(ids[:NAMED])}{more}"
