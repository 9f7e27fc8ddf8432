from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from stt.cli import main
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(
    path: Path, tones: Path, fit_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main([*fit_args, "--data.sampling=stt.data.sampling.CurriculumSampling"])
    monkeypatch.setenv("STT_MANIFEST", str(tones))
    monkeypatch.setenv("STT_RUN", str(tmp_path / "run"))
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "notebooks are committed without their outputs"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 2
