"""Functions found by name: one for each file of a package, and those that installed packages provide."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

from stt.errors import reason

log = logging.getLogger(__name__)


def find_plugins(packages: Sequence[str], function: str, group: str) -> dict[str, Callable[..., Any]]:
    """Return functions by name, each that of its file or of an entry point.

    Args:
        packages: names of the packages whose files have the function; no two files have the same name.
        function: name of the function in each of them.
        group: group of the entry points of installed packages; their names are further ones.
    """
    by_name = {}
    for package in packages:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            by_name[module.name] = getattr(importlib.import_module(f"{package}.{module.name}"), function)
    by_name = dict(sorted(by_name.items()))
    kind = group.rpartition(".")[2].removesuffix("s")
    for point in entry_points(group=group):
        if point.name in by_name:
            log.warning("skipping the %s %s of %s: the name is taken already", kind, point.name, point.value)
            continue
        try:
            by_name[point.name] = point.load()
        except Exception as error:  # a broken package must not disable the others
            log.warning("skipping the %s %s of %s: %s", kind, point.name, point.value, reason(error))
    return by_name
