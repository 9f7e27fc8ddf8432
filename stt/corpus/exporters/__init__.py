"""Exporters, one per file, each with a function `export(corpus: Export, *, options...) -> None`.

A new file here is a new FORMAT of `stt corpus export`; the keyword parameters of its `export` become the command's
options, and its docstring the command's help. Your own package can provide one by an entry point of the group
`stt.exporters`: the name is the FORMAT, the object is `export`.
"""

from __future__ import annotations

from collections.abc import Callable

from stt.corpus.plugins import find_plugins


def exporters() -> dict[str, Callable[..., None]]:
    """Return the built-in exporters by file name, and those provided by installed packages."""
    return find_plugins([__name__], "export", "stt.exporters")
