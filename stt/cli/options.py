"""Commands whose options are the keyword parameters of a function: those of the formats of corpora."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import typer

REQUIRED = inspect.Parameter.empty


def add_command(
    app: typer.Typer,
    name: str,
    function: Callable[..., Any],
    run: Callable[..., None],
    shared: Mapping[str, tuple[Any, Any]],
) -> None:
    """Add a command that calls `run(function, **options)`; its help is the docstring of the function.

    Args:
        app: where to add it.
        name: of the command.
        function: its keyword-only parameters become options.
        run: what the command does.
        shared: type and default of further parameters of `run`, by name; `REQUIRED` for no default.
    """
    hints = get_type_hints(function)
    specific = {
        parameter.name: (hints[parameter.name], parameter.default)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    command = functools.partial(run, function)
    parameters = {**shared, **specific}
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in parameters.items()
        ]
    )
    command.__annotations__ = {key: kind for key, (kind, _) in parameters.items()}
    app.command(name, help=inspect.getdoc(function))(command)
