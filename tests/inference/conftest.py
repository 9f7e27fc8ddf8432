"""An export of the network that has learned the tones."""

from pathlib import Path

import pytest

from stt.inference.export import export
from stt.runs.folder import RunFolder
from tests.conftest import made_once


@pytest.fixture(scope="session")
def exported(trained: Path, tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        export(RunFolder(trained).best, folder, check=tones)

    return made_once(tmp_path_factory, "exported", make)
