import importlib.util
import re
from pathlib import Path

import pytest

from stt.corpus.manifest import read_manifest
from stt.corpus.provenance import read_step
from stt.curation.steps import steps
from tests.conftest import ROOT
from tests.corpus.engines import Threads, corpus


def test_the_step_in_the_documentation_works_as_one_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "steps.md").read_text(), re.DOTALL)
    assert found
    (tmp_path / "longer_step.py").write_text(found[1])
    info = tmp_path / "longer-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: longer\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[stt.steps]\nlonger = longer_step:run\nbroken = longer_step:none\npack = longer_step:run\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    available = steps()
    assert importlib.util.find_spec("longer_step")
    assert "broken" not in available
    assert available["pack"] is not available["longer"]
    manifest = read_manifest(corpus(tmp_path, 6))
    kept = available["longer"](manifest, out=tmp_path / "out.parquet", engine=Threads(), least=0.5)
    assert len(kept) == 6
    step = read_step(kept.path)
    assert step is not None
    assert (step.name, step.options) == ("longer", {"least": 0.5, "skip_bad": False})
