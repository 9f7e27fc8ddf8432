"""Steps over a corpus, one per file, each with a function `run(manifest, *, out, engine, options...) -> Manifest`.

A new file here is a new command `stt corpus NAME`; the keyword parameters of its `run` become the command's options,
and its docstring the command's help. Your own package can provide one by an entry point of the group `stt.steps`: the
name is that of the command, the object is `run`. `stt.corpus.sharding` does the work that is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable

from stt.corpus.manifest import Manifest
from stt.corpus.plugins import find_plugins


def steps() -> dict[str, Callable[..., Manifest]]:
    """Return the steps by name: those of the files here, and those provided by installed packages."""
    return find_plugins(__name__, __path__, "run", "stt.steps")
