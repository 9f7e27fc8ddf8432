"""Steps over a corpus, one per file, each with a function `run(manifest, *, out, engine, options...) -> Manifest`.

A new file here, or in `stt.corpus.steps` if it needs no recognizer, is a new command `stt corpus NAME`; the keyword
parameters of its `run` become the command's options, and its docstring the command's help. Your own package can provide
one by an entry point of the group `stt.steps`: the name is that of the command, the object is `run`.
`stt.corpus.sharding` does the work that is the same for all. Files import torch only where they use it, so that
`--help` stays fast.
"""

from __future__ import annotations

from collections.abc import Callable

from stt.corpus.manifest import Manifest
from stt.corpus.plugins import find_plugins


def steps() -> dict[str, Callable[..., Manifest | None]]:
    """Return the steps by name: those of both folders, and those provided by installed packages."""
    return find_plugins(["stt.corpus.steps", __name__], "run", "stt.steps")
