"""Importers, one a file: each has `rows(source, *, options...) -> Iterator[Row]`.

A new file here is a new FORMAT of `stt corpus import`; the keyword parameters of its
`rows` become the command's options, and its docstring the command's help. A package of your own
brings one by an entry point of the group `stt.importers`: the name is the FORMAT, the object is its `rows`.
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
    """Find every importer by the name of its file, and those that installed packages bring."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = {name: importlib.import_module(f"{__name__}.{name}").rows for name in names}
    for point in entry_points(group=GROUP):
        if point.name in found:
            log.warning("the importer %s of %s is left out: there is one of that name", point.name, point.value)
            continue
        try:
            found[point.name] = point.load()
        except Exception as error:  # a package that is broken must not take the other formats away
            log.warning("the importer %s of %s is left out: %s", point.name, point.value, reason(error))
    return found
