"""Commands made of functions: their keyword parameters become options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

Parameter = tuple[Any, Any]  # type and default
REQUIRED = inspect.Parameter.empty


def with_options(
    command: Callable[..., Any],
    function: Callable[..., Any],
    shared: Mapping[str, Parameter],
    given: Sequence[str] = (),
) -> Callable[..., Any]:
    """Return `command` with `function` as its first argument; it has the shared options and those of the function.

    Args:
        command: called with the function and all options.
        function: its keyword parameters become options, but for those that are shared or `given` by the command.
        shared: type and default of each option that every such command has.
        given: names of parameters that are no options.
    """
    hints = get_type_hints(function)
    parameters = dict(shared)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name not in {*shared, *given}:
            parameters[parameter.name] = hints[parameter.name], parameter.default
    made = functools.partial(command, function)
    made.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, (kind, default) in parameters.items()
        ]
    )
    made.__annotations__ = {name: kind for name, (kind, _) in parameters.items()}
    return made
