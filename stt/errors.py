"""The one exception that stands for bad input, and how a program ends on it."""

from __future__ import annotations

import sys
import textwrap
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
