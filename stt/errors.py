"""Errors of the user: bad input, an extra that is not installed, and how a program ends on them."""

from __future__ import annotations

import re
import sys
import textwrap
from importlib.metadata import PackageNotFoundError, requires
from typing import NoReturn


class InputError(ValueError):
    """Bad input from the user: one sentence that names the file, the row and what to do."""


def reason(error: Exception, width: int = 160) -> str:
    """Give the beginning of what another library says, on one line, as a part of a sentence."""
    return f"{type(error).__name__}: {textwrap.shorten(str(error), width)}" if str(error) else type(error).__name__


def exit_with(error: InputError) -> NoReturn:
    """Print the sentence of an `InputError` on standard error and end with exit code 2."""
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2)


_REQUIREMENT = re.compile(r"(?P<package>[\w.-]+).*\bextra == [\"'](?P<extra>[\w-]+)[\"']")
_OTHERWISE_NAMED = {"yaml": "pyyaml"}  # modules that are not called as their package is


class MissingExtraError(InputError, ImportError):
    """Something was asked for that needs an extra which is not installed."""


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError:
    """Say in one sentence which extra brings the module that was not found.

    Raises:
        ModuleNotFoundError: no extra brings it, so that it is a fault of the code: the error itself.
    """
    module = (error.name or "").partition(".")[0]
    extra = extra_of(module)
    if extra is None:
        raise error
    return MissingExtraError(
        f"{module} is not installed, which this needs; it comes with the extra {extra!r}: "
        f"pip install '.[{extra}]' in the project's folder"
    )


def extra_of(module: str) -> str | None:
    """Name the extra that brings a module; None where none does."""
    wanted = _plain(_OTHERWISE_NAMED.get(module, module))
    try:
        listed = requires("stt") or []
    except PackageNotFoundError:  # a copy of the code that nobody installed
        return None
    for requirement in listed:
        found = _REQUIREMENT.match(requirement)
        if found and found["package"] != "stt" and _plain(found["package"]) == wanted:
            return found["extra"]
    return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
