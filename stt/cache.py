"""A cache for results that take minutes to compute."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stt.files import WriteError, atomic_write

log = logging.getLogger(__name__)
T = TypeVar("T")


def cache_folder() -> Path:
    """Return the cache folder: `stt` in $XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stt"


def cached(name: str, read: Callable[[Path], T], write: Callable[[Path], None], compute: Callable[[], T]) -> T:
    """Read a cached file; if it is missing or corrupt, one process per machine writes it while the others wait.

    Args:
        name: file name; must be derived from everything that determines the content.
        read: reads the content from a path; any exception means that the file is corrupt.
        write: computes the content and writes it to a path.
        compute: computes the content when the cache is not writable.
    """
    path = cache_folder() / name
    content = _read(path, read)
    if content is not None:
        return content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = _read(path, read)  # another process may have written it in the meantime
            if content is not None:
                return content
            with atomic_write(path) as temporary:
                write(temporary)
    except (OSError, WriteError) as error:
        log.warning("cannot write to the cache %s, so the next start will take as long: %s", path.parent, error)
        return compute()
    total = sum(file.stat().st_size for file in path.parent.iterdir() if file.is_file())
    sizes = (path.stat().st_size / 1e6, total / 1e6)
    log.warning("cached for the next start: %s, %.0f MB (%.0f MB in the folder, safe to delete)", path, *sizes)
    return read(path)


def _read(path: Path, read: Callable[[Path], T]) -> T | None:
    if not path.is_file():
        return None
    try:
        return read(path)
    except Exception as error:  # a corrupt file can raise anything, and is simply written again
        log.warning("%s is corrupt and will be recreated (%s)", path, error)
        return None
