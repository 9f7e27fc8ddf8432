"""Importers, one per file, each with a function `rows(source, *, options...) -> Iterator[Row]`.

A new file here is a new FORMAT of `stt corpus import`; the keyword parameters of its
`rows` become the command's options, and its docstring the command's help. Your own package
can provide one by an entry point of the group `stt.importers`: the name is the FORMAT, the object is `rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stt.corpus.plugins import find_plugins
from stt.corpus.row import Row


def importers() -> dict[str, Callable[..., Iterator[Row]]]:
    """Return the built-in importers by file name, and those provided by installed packages."""
    return find_plugins([__name__], "rows", "stt.importers")
