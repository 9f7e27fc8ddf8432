import tarfile
from pathlib import Path

from stt.corpus.packing.tar import TarWriter


def test_a_tar_file_is_read_by_others_and_its_members_by_their_spans(tmp_path: Path) -> None:
    contents = {"a.flac": b"x" * 512, "a.json": b"{}", "b.flac": b"", "c.flac": bytes(1000)}
    with (tmp_path / "a.tar").open("wb") as file:
        tar = TarWriter(file)
        starts = {name: tar.add(name, content) for name, content in contents.items()}
        tar.finish()
    data = (tmp_path / "a.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        members = archive.getmembers()
        found = {member.name: archive.extractfile(member) for member in members}
        assert {name: file and file.read() for name, file in found.items()} == contents
        assert {member.mtime for member in members} == {0}
    for name, start in starts.items():
        assert data[start : start + len(contents[name])] == contents[name]
