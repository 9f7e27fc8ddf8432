import logging
import multiprocessing
from pathlib import Path

import pytest

from stt.cache import cache_folder, cached


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stt"


def number(path: Path) -> int:
    return int(path.read_text())


def fetch(name: str, value: int, written: list[int]) -> int:
    def write(path: Path) -> None:
        written.append(value)
        path.write_text(str(value))

    return cached(name, number, write, lambda: -value)


def test_a_cached_file_is_reused_and_its_size_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    written: list[int] = []
    assert cache_folder() == folder
    assert [fetch("a.txt", value, written) for value in (5, 6)] == [5, 5]
    assert written == [5]
    assert f"cached for the next start: {folder / 'a.txt'}, 0 MB" in caplog.text
    assert fetch("b.txt", 7, written) == 7


def test_a_corrupt_file_is_recreated(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    written: list[int] = []
    fetch("a.txt", 5, written)
    (folder / "a.txt").write_text("half a num")
    assert fetch("a.txt", 6, written) == 6
    assert "is corrupt and will be recreated" in caplog.text


def test_without_a_writable_cache_the_content_is_computed_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert [fetch("a.txt", value, []) for value in (5, 6)] == [-5, -6]
    assert "cannot write to the cache" in caplog.text


def test_a_failed_write_leaves_no_file_behind(folder: Path) -> None:
    def write(path: Path) -> None:
        path.write_text("half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        cached("a.txt", number, write, lambda: 0)
    assert [path.name for path in folder.iterdir()] == ["a.txt.lock"]


def _slowly(log: Path, barrier: object) -> None:
    logging.disable()

    def write(path: Path) -> None:
        with log.open("a") as file:
            file.write("written\n")
        path.write_text("5")

    barrier.wait()  # type: ignore[attr-defined]
    assert cached("a.txt", number, write, lambda: 0) == 5


def test_of_several_processes_one_writes_the_file_and_the_others_wait(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    processes = [context.Process(target=_slowly, args=(tmp_path / "log", barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert (tmp_path / "log").read_text() == "written\n"
