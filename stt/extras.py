"""Parts of the project that are installed only when they are asked for: the extras in pyproject.toml."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

from stt.errors import InputError

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
