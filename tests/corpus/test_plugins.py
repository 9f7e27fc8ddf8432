"""Formats that installed packages provide, beside those of this one."""

import logging
from pathlib import Path

import pytest

from stt.corpus.exporters import exporters
from stt.corpus.importers import importers

PACKAGE = '''
def rows(source, *, domain="mine"):
    """Read nothing."""
    yield from ()

def export(corpus, *, quality: int = 3):
    """Write nothing."""
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with a format of its own, one whose name is taken, and one that is broken."""
    (tmp_path / "my_formats.py").write_text(PACKAGE)
    info = tmp_path / "my_formats-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-formats\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[stt.importers]\nmine = my_formats:rows\nkaldi = my_formats:rows\n"
        "[stt.exporters]\nmine = my_formats:export\nnemo = my_formats:export\nbroken = my_formats:missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("package")
def test_a_package_adds_formats_but_replaces_none(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read, written = importers(), exporters()
    assert {read["mine"].__module__, written["mine"].__module__} == {"my_formats"}
    assert read["kaldi"].__module__ == "stt.corpus.importers.kaldi"
    assert written["nemo"].__module__ == "stt.corpus.exporters.nemo"
    assert "broken" not in written
    for said in ("importer kaldi", "exporter nemo", "exporter broken"):
        assert f"skipping the {said}" in caplog.text
