"""Archives that a stranger made."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stt.corpus import extract as module
from stt.corpus.extract import extract
from stt.errors import InputError

Fill = Callable[[tarfile.TarFile], None]


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", **fields: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in fields.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


def archive(path: Path, fill: Fill, form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w:gz", format=form) as tar:
        fill(tar)
    return path


def good(tar: tarfile.TarFile) -> None:
    add(tar, "radio", type=tarfile.DIRTYPE)
    add(tar, "radio/0/01/a.txt", b"text")
    add(tar, f"radio/0/01/{'long' * 60}.txt", b"more")
    add(tar, "./radio/0/b.opus", np.random.default_rng(0).bytes(2_500_000))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_go_to_the_folder_and_next_to_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "radio" / "0").mkdir(parents=True)
    (out / "radio" / "0" / "old.txt").write_text("old")
    positions: list[int] = []
    path = archive(tmp_path / "a.tar.gz", good)
    assert extract(path, out, positions.append) == 3
    found = tree(out)
    assert sorted(found) == sorted(
        ["radio/0/01/a.txt", f"radio/0/01/{'long' * 60}.txt", "radio/0/b.opus", "radio/0/old.txt"]
    )
    assert len(found["radio/0/b.opus"]) == 2_500_000
    assert positions[-1] <= path.stat().st_size
    assert [entry.name for entry in out.iterdir()] == ["radio"]


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (lambda tar: add(tar, "../evil.txt", b"x"), "outside of the folder"),
        (lambda tar: add(tar, "/tmp/evil.txt", b"x"), "outside of the folder"),
        (lambda tar: add(tar, "a/../../evil.txt", b"x"), "outside of the folder"),
        (lambda tar: add(tar, "a", type=tarfile.SYMTYPE, linkname="/etc"), "is a link"),
        (lambda tar: add(tar, "a", type=tarfile.SYMTYPE, linkname="../.."), "is a link"),
        (lambda tar: add(tar, "a", type=tarfile.LNKTYPE, linkname="../b"), "is a link"),
        (lambda tar: add(tar, "a", type=tarfile.CHRTYPE), "neither a file nor a folder"),
        (lambda tar: add(tar, "a", type=tarfile.FIFOTYPE), "neither a file nor a folder"),
    ],
)
def test_what_climbs_out_is_refused_with_the_whole_archive(fill: Fill, said: str, tmp_path: Path) -> None:
    def both(tar: tarfile.TarFile) -> None:
        good(tar)
        fill(tar)

    out = tmp_path / "in" / "out"
    out.mkdir(parents=True)
    with pytest.raises(InputError, match=said):
        extract(archive(tmp_path / "a.tar.gz", both), out, lambda position: None)
    assert not tree(tmp_path / "in")
    assert not list(out.iterdir())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, 0.999999])
def test_a_truncated_archive_leaves_nothing(share: float, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", good)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"damaged or truncated.*download it again"):
        extract(path, tmp_path / "out", lambda position: None)
    assert not list((tmp_path / "out").iterdir())


def test_damaged_bytes_are_noticed(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", good)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError):
        extract(path, tmp_path / "out", lambda position: None)


def test_a_tar_that_ends_in_a_file_is_truncated(tmp_path: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        add(tar, "a.txt", bytes(5000))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain.getvalue()[:3000]))
    with pytest.raises(InputError, match="damaged or truncated"):
        extract(tmp_path / "a.tar.gz", tmp_path / "out", lambda position: None)


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_BYTES", 100_000)
    monkeypatch.setattr(module, "FREE_FILES", 100)

    def large(tar: tarfile.TarFile) -> None:
        add(tar, "zeros", bytes(3_000_000))

    def many(tar: tarfile.TarFile) -> None:
        for i in range(1_000):
            add(tar, str(i))

    def header(tar: tarfile.TarFile) -> None:
        add(tar, "a", pax_headers={"comment": "x" * 2_000_000})

    def padding(tar: tarfile.TarFile) -> None:
        good(tar)
        tar.fileobj.write(bytes(3_000_000))  # type: ignore[union-attr]

    for fill, said in (
        (large, "too large"),
        (many, "too large"),
        (header, "headers of more"),
        (padding, "headers of more"),
    ):
        with pytest.raises(InputError, match=said):
            extract(archive(tmp_path / "a.tar.gz", fill), tmp_path / "out", lambda position: None)
        assert not tree(tmp_path / "out")
