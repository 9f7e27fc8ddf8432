import os
from pathlib import Path

import pytest

from stt.errors import InputError
from stt.folders import walk


def test_folders_behind_links_are_walked_once(tmp_path: Path) -> None:
    for name in ("elsewhere/deep/2", "top/1", "top/real/3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    top = tmp_path / "top"
    (top / "a").symlink_to(top / "real")
    (top / "b").symlink_to(tmp_path / "elsewhere")
    (top / "c").symlink_to(tmp_path / "elsewhere" / "deep")
    (top / "real" / "up").symlink_to(top)
    (top / "none").symlink_to(tmp_path / "missing")
    (tmp_path / "link").symlink_to(top)
    for start in (top, tmp_path / "link"):
        found = sorted(path.relative_to(start).as_posix() for path in walk(start))
        assert found == ["1", "b/deep/2", "none", "real/3"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=rf"{tmp_path}: the folder cannot be read \(Permission denied\)"):
        list(walk(tmp_path))
