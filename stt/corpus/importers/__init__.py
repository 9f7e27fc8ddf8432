"""Importers, one per file, each with a function `rows(source, *, options...) -> Iterator[Row]`.

A new file here is a new FORMAT of `stt corpus import`; the keyword parameters of its
`rows` become the command's options, and its docstring the command's help. Your own package
can provide one by an entry point of the group `stt.importers`: the name is the FORMAT, the object is `rows`.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points

from stt.corpus.row import Row
from stt.errors import reason

log = logging.getLogger(__name__)
GROUP = "stt.importers"


def importers() -> dict[str, Callable[..., Iterator[Row]]]:
    """Return the built-in importers by file name, and those provided by installed packages."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    by_name = {name: importlib.import_module(f"{__name__}.{name}").rows for name in names}
    for point in entry_points(group=GROUP):
        if point.name in by_name:
            log.warning("skipping the importer %s of %s: the name is taken already", point.name, point.value)
            continue
        try:
            by_name[point.name] = point.load()
        except Exception as error:  # a broken package must not disable the other formats
            log.warning("skipping the importer %s of %s: %s", point.name, point.value, reason(error))
    return by_name
