"""Files: atomic writes, and a cache of what takes minutes to compute again."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar


@contextlib.contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`; rename it to `path` if the block succeeds.

    The folder is made where it is missing. On an exception nothing is left behind and an
    older file at `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


log = logging.getLogger(__name__)
T = TypeVar("T")


def cache_folder() -> Path:
    """Where the cache is: `stt` in $XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stt"


def cached(name: str, read: Callable[[Path], T], write: Callable[[Path], None], otherwise: Callable[[], T]) -> T:
    """Read a file of the cache; where it is missing or damaged, one process of a machine writes it and the others wait.

    Args:
        name: of the file; it must follow from all that the content follows from.
        read: gives the content; whatever it raises counts as damage.
        write: writes the content to a path.
        otherwise: gives the content where no file can be written.
    """
    path = cache_folder() / name
    found = _read(path, read)
    if found is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = _read(path, read)  # while this one waited, another may have written it
            if found is not None:
                return found
            with atomic_write(path) as temporary:
                write(temporary)
    except OSError as error:
        log.warning("nothing is cached in %s, so the next start will take as long: %s", path.parent, error)
        return otherwise()
    whole = sum(file.stat().st_size for file in path.parent.iterdir() if file.is_file())
    sizes = (path.stat().st_size / 1e6, whole / 1e6)
    log.warning("cached for the next start: %s, %.0f MB (the folder holds %.0f MB and may be deleted)", path, *sizes)
    return read(path)


def _read(path: Path, read: Callable[[Path], T]) -> T | None:
    if not path.is_file():
        return None
    try:
        return read(path)
    except Exception as error:  # a damaged file can raise anything, and is only written again
        log.warning("%s is damaged and made again (%s)", path, error)
        return None
