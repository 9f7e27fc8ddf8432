"""Importers, one a file: each has `rows(source, *, options...) -> Iterator[Row]`.

A new file here is a new FORMAT of `python -m stt corpus import`; the keyword parameters of its
`rows` become the command's options, and its docstring the command's help.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator

from stt.corpus.row import Row


def importers() -> dict[str, Callable[..., Iterator[Row]]]:
    """Find every importer by the name of its file."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}").rows for name in names}
