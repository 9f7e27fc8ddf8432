"""User errors: invalid input and missing extras, and how a program exits on them."""

from __future__ import annotations

import errno
import os
import re
import sys
import textwrap
from importlib.metadata import PackageNotFoundError, requires
from typing import NoReturn

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})  # raised by writes, without a file name


class InputError(ValueError):
    """Invalid user input; the message is one sentence that names the file, the row and what to do."""


def reason(error: Exception, width: int = 160) -> str:
    """Format another library's exception on one line, shortened, for use inside a sentence."""
    return f"{type(error).__name__}: {textwrap.shorten(str(error), width)}" if str(error) else type(error).__name__


def file_system_error(error: OSError) -> InputError:
    """Describe what the file system refused: a missing, unreadable or unwritable file, or a full disk.

    Raises:
        OSError: the original error, if it is not about a file.
    """
    if error.filename is None and error.errno not in FULL:
        raise error
    name = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    return InputError(f"{name}{error.strerror or error}")


def exit_with(error: InputError) -> NoReturn:
    """Print the message of an `InputError` to standard error and exit with code 2."""
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2)


_REQUIREMENT = re.compile(r"(?P<package>[\w.-]+).*\bextra == [\"'](?P<extra>[\w-]+)[\"']")
_PACKAGES = {"yaml": "pyyaml"}  # package names that differ from the module's


class MissingExtraError(InputError, ImportError):
    """A feature needs an extra that is not installed."""


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError:
    """Return an error whose message says which extra provides the missing module.

    Raises:
        ModuleNotFoundError: the original error, if no extra provides the module: this is a bug in the code.
    """
    module = (error.name or "").partition(".")[0]
    extra = extra_of(module)
    if extra is None:
        raise error
    return MissingExtraError(
        f"this needs {module}, which is not installed; it comes with the extra {extra!r}: "
        f"run pip install '.[{extra}]' in the project's folder"
    )


def extra_of(module: str) -> str | None:
    """Return the extra that provides a module, or None."""
    package = _canonical(_PACKAGES.get(module, module))
    try:
        requirements = requires("stt") or []
    except PackageNotFoundError:  # the package is not installed, only on the path
        return None
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match and match["package"] != "stt" and _canonical(match["package"]) == package:
            return match["extra"]
    return None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
