import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget

from stt.corpus.addresses import moved_rows
from stt.corpus.manifest import read_manifest, write_manifest
from stt.reports.run import find_run
from tests.conftest import ROOT, write_corpus

PICTURES = {
    "explore_corpus": 2,
    "watch_curriculum": 2,
    "errors_by_domain": 2,
    "clean_and_label": 1,
    "finetune_on_your_files": 0,
}


@pytest.fixture
def files(tones: Path, tmp_path: Path) -> Path:
    """Thirty files with their texts beside them."""
    manifest, folder = read_manifest(tones), tmp_path / "files"
    folder.mkdir()
    for row in range(30):
        audio = Path(manifest.audio(row).address)
        shutil.copy(audio, folder)
        (folder / audio.name).with_suffix(".txt").write_text(manifest.text(row))
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A manifest of further utterances of tones."""
    path = write_corpus(tmp_path / "other", 24, seed=9)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "id": f"other/{i}"}) + "\n" for i, row in enumerate(rows)))
    return path


def test_every_notebook_is_run_here() -> None:
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_runs_to_its_end(
    name: str,
    tones: Path,
    other: Path,
    trained: Path,
    steered: Path,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labelled = tmp_path / "labelled.parquet"
    write_manifest(moved_rows(read_manifest(tones), tmp_path), labelled, "plain-1")
    parent = trained if name == "clean_and_label" else steered
    variables = {
        "STT_MANIFEST": labelled,
        "STT_UNLABELLED": other,
        "STT_VALIDATE": labelled,
        "STT_RUN": steered,
        "STT_FOLDER": files,
        "STT_PARENT": parent / "checkpoints" / "best.ckpt",
        "STT_OLD_TRAIN": labelled,
        "STT_OLD_VALIDATE": labelled,
        "STT_WORK": tmp_path / "mine",
        "STT_STEPS": "12",
    }
    for variable, value in variables.items():
        monkeypatch.setenv(variable, str(value))
    # nbclient tells the kernel what a widget shows, past the event loop, which may then miss the reply to a cell that
    # is on its way, and waits for it until the timeout. No notebook asks a widget what it shows.
    monkeypatch.setattr(OutputWidget, "sync_state", lambda _: None)
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "notebooks are committed without their outputs"
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    widgets = [one for state in _widget_outputs(notebook) for one in state]
    assert len([one for one in [*outputs, *widgets] if "image/png" in one.get("data", {})]) == PICTURES[name]
    if name == "clean_and_label":
        assert (tmp_path / "mine" / "review.html").is_file() == (tmp_path / "mine" / "kept.rejected.parquet").is_file()
        assert 120 < len(read_manifest(tmp_path / "mine" / "train.parquet")) <= 144
    if name == "finetune_on_your_files":
        assert len([cell for cell in notebook.cells if cell.cell_type == "code"]) == 10
        assert (tmp_path / "mine" / "run" / "test_metrics.json").is_file()
        assert (tmp_path / "mine" / "report.html").is_file()
        assert any("CER before" in one.get("text", "") for one in outputs)
        curves = find_run(tmp_path / "mine" / "run").metrics()
        assert "forgetting/cer/high" in curves, "the old domains are watched"


def _widget_outputs(notebook: nbformat.NotebookNode) -> list[list[dict[str, object]]]:
    """What the widgets show, which a notebook keeps beside its cells."""
    states = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    return [state["state"]["outputs"] for state in states.values() if "outputs" in state.get("state", {})]
