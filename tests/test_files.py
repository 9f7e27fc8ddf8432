import contextlib
import fcntl
from pathlib import Path
from typing import Any

import pytest

from stt.errors import InputError
from stt.files import atomic_folder, atomic_write, locked


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    with contextlib.suppress(KeyboardInterrupt), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "one"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_a_folder_appears_when_it_is_complete_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a"
    with contextlib.suppress(KeyboardInterrupt), atomic_folder(path) as temporary:
        (temporary / "1.txt").write_text("half")
        raise KeyboardInterrupt
    assert not list(path.parent.iterdir())
    path.mkdir()  # empty
    with atomic_folder(path) as temporary:
        (temporary / "1.txt").write_text("whole")
        assert not list(path.iterdir())
    assert [p.name for p in path.parent.iterdir()] == ["a"]
    with pytest.raises(InputError, match="not empty"), atomic_folder(path):
        pass
    assert (path / "1.txt").read_text() == "whole"


def test_a_lock_that_its_holder_deletes_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, flock = tmp_path / "lock", fcntl.flock

    def slow(file: Any, operation: int) -> None:
        path.unlink()  # by another process, which had it until now
        flock(file, operation)

    with locked(path, "taken"), pytest.raises(InputError, match="taken"), locked(path, "taken"):
        pass
    monkeypatch.setattr("fcntl.flock", slow)
    with pytest.raises(InputError, match="taken"), locked(path, "taken"):
        pass
