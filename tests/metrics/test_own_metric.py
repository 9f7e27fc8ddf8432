"""What lives in a user's own package and is named in the configuration; no file of stt knows of it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stt.cli.train import main
from stt.corpus.manifest import read_manifest
from stt.metrics.domain_metric import DomainMetric
from stt.reports.page import load_run_summary, page
from stt.reports.run import find_run
from stt.runs.folder import RunFolder
from stt.runs.metric_names import logged_domain_metrics
from stt.training.tracking.panels import sections_for

METRIC = '''
from stt.metrics.domain_metric import DomainMetric


class Deletions(DomainMetric):
    """Characters that were said and not recognized."""

    name, title = "deletions", "deleted"

    def count(self, utterance):
        lost = sum(len(segment.reference) for segment in utterance.characters if segment.kind == "delete")
        return lost, len(utterance.reference)
'''
CALLBACK = """
from pathlib import Path

from lightning import Callback


class Noted(Callback):
    def __init__(self, note: str) -> None:
        self.note = note

    def on_validation_end(self, trainer, pl_module):
        cer = float(trainer.callback_metrics["val/cer/mean"])
        Path(trainer.default_root_dir, "noted.txt").write_text(f"{self.note} {cer}")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / "packages" / "somebodys"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "metrics.py").write_text(METRIC)
    (folder / "callbacks.py").write_text(CALLBACK)
    monkeypatch.syspath_prepend(folder.parent)
    yield "somebodys"
    for name in [name for name in sys.modules if name.split(".")[0] == "somebodys"]:
        del sys.modules[name]


def test_a_metric_by_domain_of_ones_own_is_logged_tested_and_reported(
    package: str, fit_args: list[str], tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(yaml.safe_dump({"model": {"metrics": [{"class_path": f"{package}.metrics.Deletions"}]}}))
    main([*fit_args, f"--config={config}", f"--data.test={tones}"])
    run = find_run(tmp_path / "run")
    curves = run.metrics()
    assert len(curves["val/deletions/high"]) == 2
    expected = (curves["val/deletions/high"][-1][1] + curves["val/deletions/low"][-1][1]) / 2
    assert curves["val/deletions/mean"][-1][1] == pytest.approx(expected)
    assert set(logged_domain_metrics(curves, "validate")) == {"cer", "wer", "deletions"}
    results = json.loads(RunFolder(run.folder).results.read_text())
    assert results["metrics"]["deletions"] == {"title": "deleted", "unit": "%"}
    assert 0 <= results["domains"]["high"]["deletions"] <= 1
    assert set(results["mean"]) == {"cer", "wer", "deletions"}
    said = capsys.readouterr().out
    assert "deleted" in said
    titles = [panel.title for section in sections_for(curves) for panel in section.panels]
    assert "deletions by domain" in titles
    shown = page([load_run_summary(run, "mine")])
    assert "mine  deleted, %" in shown
    assert "validation deleted by domain over steps" in shown


def test_a_callback_of_ones_own_sees_what_was_measured(package: str, fit_args: list[str], tmp_path: Path) -> None:
    main([*fit_args, f"--trainer.callbacks+={package}.callbacks.Noted", "--trainer.callbacks.note=CER"])
    best = find_run(tmp_path / "run").metrics()["val/cer/mean"][-1][1]
    word, value = (tmp_path / "run" / "noted.txt").read_text().split()
    assert word == "CER"
    assert float(value) == pytest.approx(best)


def test_two_metrics_of_one_name_are_refused(package: str, fit_args: list[str], tmp_path: Path, fails) -> None:  # type: ignore[no-untyped-def]
    own = {"class_path": f"{package}.metrics.Deletions"}
    config = tmp_path / "own.yaml"
    config.write_text(yaml.safe_dump({"model": {"metrics": [own, own]}}))
    assert "needs a name of its own" in fails(main, [*fit_args, f"--config={config}"])


def test_what_is_measured_of_a_manifest_in_python_can_be_ones_own(trained: Path, tones: Path) -> None:
    import stt

    class Longest(DomainMetric):
        name, title, unit = "characters_per_word", "characters a word", ""

        def count(self, utterance):  # type: ignore[no-untyped-def]
            return len(utterance.reference.replace(" ", "")), len(utterance.words)

    found = stt.evaluate(stt.load(RunFolder(trained).best), read_manifest(tones), metrics=[Longest()])
    assert all(1 < one.values["characters_per_word"] < 3 for one in found.rates.values())
