"""Steps over a corpus, one per file, each with a function `run(manifest, *, out, engine, options...) -> Manifest`.

A new file here is a new command `stt corpus NAME`; the keyword parameters of its `run` become the command's options,
and its docstring the command's help. Your own package can provide one by an entry point of the group `stt.steps`: the
name is that of the command, the object is `run`. `stt.corpus.sharding` does the work that is the same for all.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from types import ModuleType

from stt.corpus.manifest import Manifest
from stt.errors import reason

log = logging.getLogger(__name__)
GROUP = "stt.steps"


def steps(*packages: ModuleType) -> dict[str, Callable[..., Manifest]]:
    """Return the steps in the files of packages by name, and those provided by installed packages."""
    by_name = {}
    for package in packages:
        for module in pkgutil.iter_modules(package.__path__):
            by_name[module.name] = importlib.import_module(f"{package.__name__}.{module.name}").run
    for point in entry_points(group=GROUP):
        if point.name in by_name:
            log.warning("skipping the step %s of %s: the name is taken already", point.name, point.value)
            continue
        try:
            by_name[point.name] = point.load()
        except Exception as error:  # a broken package must not disable the other steps
            log.warning("skipping the step %s of %s: %s", point.name, point.value, reason(error))
    return by_name
