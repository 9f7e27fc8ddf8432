"""Atomic file writes that spare the inputs, locks, and hashes."""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from stt.errors import FULL, InputError

NO_LINKS = frozenset({errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP})  # of file systems without links

_inputs: set[tuple[int, int]] = set()  # device and inode of the files that the running command reads


class WriteError(InputError):
    """The file system refuses an output: full, read-only, no permission, a name that is too long ..."""


@contextlib.contextmanager
def protected(paths: Iterable[Path | str]) -> Iterator[None]:
    """Make `atomic_write` refuse to replace any of these files, by whatever path or link, within the block."""
    added = {identity for path in paths if (identity := _identity(Path(path))) and identity not in _inputs}
    _inputs.update(added)
    try:
        yield
    finally:
        _inputs.difference_update(added)


@contextlib.contextmanager
def atomic_write(path: Path | str, move: Callable[[Path, Path], object] = os.replace) -> Iterator[Path]:
    """Yield a temporary path next to `path`; if the block succeeds, flush it to disk and move it to `path`.

    Missing folders are created. On an exception the temporary file is removed and an
    existing file at `path` stays unchanged; a crash at any moment leaves the old file or the new one.

    Raises:
        InputError: the running command reads the file at `path`.
        WriteError: the file system refuses.
    """
    path = Path(path)
    _check_no_input(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        _flush(temporary)
        move(temporary, path)
        _flush(path.parent)
    except OSError as error:
        concerned = {str(one) for one in (path, *path.parents, temporary)}
        if error.errno not in FULL and str(error.filename) not in concerned:
            raise  # an input, or not about files at all
        raise WriteError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str, errors: str = "strict") -> None:
    """Write a text file in UTF-8, as `atomic_write` does.

    Args:
        path: the file.
        text: its content, with its last newline.
        errors: what to do with what UTF-8 has not, such as the names of files that are in no encoding: see `open`.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors)


def write_csv(path: Path, rows: Iterable[Sequence[object]], errors: str = "strict") -> None:
    """Write a table as CSV in UTF-8, as `atomic_write` does; the first row has the names of the columns."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8", errors=errors) as file:
        csv.writer(file).writerows(rows)


def write_new(path: Path, content: bytes) -> bool:
    """Write a file as `atomic_write` does, unless there is one: of several threads and processes, one writes it.

    Returns:
        Whether it was written.
    """
    try:
        with atomic_write(path, _claim) as temporary:
            temporary.write_bytes(content)
    except _TakenError:
        return False
    return True


class _TakenError(Exception):
    """There is a file of this name already."""


def _claim(temporary: Path, path: Path) -> None:
    try:
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            with path.open("xb") as file:
                file.write(temporary.read_bytes())
    except FileExistsError as error:
        raise _TakenError from error


def delete_output(path: Path) -> None:
    """Delete a file that an earlier attempt has left and that is not written this time; it may be missing.

    Raises:
        InputError: the running command reads it.
    """
    _check_no_input(path)
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path`; if the block succeeds, rename it to `path`, otherwise delete it.

    Raises:
        InputError: `path` is a file, or a folder that is not empty.
        WriteError: the file system refuses.
    """
    path = path.absolute()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        kind = "a folder that is not empty" if path.is_dir() else "a file"
        raise InputError(f"{path} is {kind}: choose the name of a new folder")
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:100]}."))
        temporary.chmod(0o755)
        yield temporary
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        if error.errno not in FULL and str(error.filename) not in {str(one) for one in (*path.parents, temporary)}:
            raise
        raise WriteError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, taken: str) -> Iterator[None]:
    """Hold the lock on a file, which is created, against other processes; its holder may delete it within the block.

    Args:
        path: the file, in a folder that exists.
        taken: what to say if another process holds the lock.

    Raises:
        InputError: another process holds the lock, or the file system has no locks.
    """
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(taken) from None
        except OSError as error:
            told = error.strerror or error
            raise InputError(f"{path.parent}: no file can be locked there ({told}), choose another place") from error
        if not path.exists() or not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            raise InputError(taken)  # deleted by its holder after it was opened here
        yield


def _check_no_input(path: Path) -> None:
    if _identity(path) in _inputs:
        raise InputError(f"{path} is an input of this command, which would overwrite it: choose another output")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):  # missing, or no possible name
        return None
    return found.st_dev, found.st_ino


def _flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
