import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stt.corpus.stored_audio import store


def no_links(source: Path, path: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted", str(source), None, str(path))


@pytest.mark.parametrize("link", [os.link, no_links])
def test_audio_under_a_name_that_another_process_takes_meanwhile_gets_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: object
) -> None:
    monkeypatch.setattr(os, "link", link)
    (tmp_path / "a.wav").write_bytes(b"other")
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path.name != "a.wav" and exists(path))  # not yet
    assert store(b"mine", tmp_path / "a.wav") == (tmp_path / "a-2.wav", True)
    assert store(b"mine", tmp_path / "a.wav") == (tmp_path / "a-2.wav", False)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.wav": b"other", "a-2.wav": b"mine"}


def test_audio_stored_under_one_name_at_once_is_all_kept(tmp_path: Path) -> None:
    contents = [bytes([i % 8]) * 1000 for i in range(64)]
    with ThreadPoolExecutor(16) as pool:
        stored = list(pool.map(lambda content: store(content, tmp_path / "a.wav"), contents))
    assert [path.read_bytes() for path, _ in stored] == contents
    assert len(list(tmp_path.iterdir())) == sum(is_new for _, is_new in stored) == 8
