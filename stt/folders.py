"""The files of a folder and of all folders in it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from stt.errors import InputError


def walk(folder: Path) -> Iterator[Path]:
    """Yield all files of a folder, including its subfolders and those that symbolic links in it lead to.

    A folder that can be reached in several ways is read once: where it is, or by the first link that leads to it.

    Raises:
        InputError: a folder cannot be read.
    """
    seen: set[tuple[int, int]] = set()
    tops = deque([str(folder)])
    while tops:  # the folders themselves first, so that those that links lead to keep the names that they have here
        for path, folders, files in os.walk(tops.popleft(), onerror=_refuse):
            identity = os.stat(path)
            if (identity.st_dev, identity.st_ino) in seen:
                folders.clear()
                continue
            seen.add((identity.st_dev, identity.st_ino))
            folders.sort()
            tops += [link for name in folders if os.path.islink(link := os.path.join(path, name))]
            yield from (Path(path, name) for name in files)


def _refuse(error: OSError) -> NoReturn:
    raise InputError(f"{os.fsdecode(error.filename)}: the folder cannot be read ({error.strerror})") from error
