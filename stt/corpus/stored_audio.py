"""Audio that an import writes next to the manifest."""

from __future__ import annotations

import itertools
from pathlib import Path

from stt.files import write_new


def store(content: bytes, path: Path) -> tuple[Path, bool]:
    """Write audio under a name; other audio under it, of an earlier import or of another process, is kept.

    Returns:
        Where it is, which is a name with a number if the name is taken, and whether it was written now.
    """
    names = itertools.chain([path], (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2)))
    for name in names:
        if not name.exists() and write_new(name, content):
            return name, True
        if name.stat().st_size == len(content) and name.read_bytes() == content:
            return name, False
    raise AssertionError("there is always another number")
