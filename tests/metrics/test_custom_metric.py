"""Metrics and callbacks of a user's package, named only in the configuration."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stt.cli.train import main
from stt.corpus.manifest import read_manifest
from stt.errors import InputError
from stt.metrics.domain_metric import AlignedUtterance, DomainMetric
from stt.metrics.domain_results import count_utterance
from stt.reports.page import load_run_summary, render_page
from stt.reports.run import find_run
from stt.runs.folder import RunFolder
from stt.runs.metric_names import logged_domain_metrics
from stt.training.tracking.panels import sections_for

METRIC = '''
from stt.errors import InputError
from stt.metrics.domain_metric import AlignedUtterance, DomainMetric
from stt.metrics.domain_results import count_utterance


class Deletions(DomainMetric):
    """Deleted characters over reference characters."""

    name, title = "deletions", "deleted"

    def count(self, utterance):
        deleted = sum(len(segment.reference) for segment in utterance.characters if segment.kind == "delete")
        return deleted, len(utterance.reference)
'''
CALLBACK = """
from pathlib import Path

from lightning import Callback


class Note(Callback):
    def __init__(self, note: str) -> None:
        self.note = note

    def on_validation_end(self, trainer, pl_module):
        cer = float(trainer.callback_metrics["val/cer/mean"])
        Path(trainer.default_root_dir, "noted.txt").write_text(f"{self.note} {cer}")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / "packages" / "user_package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "metrics.py").write_text(METRIC)
    (folder / "callbacks.py").write_text(CALLBACK)
    monkeypatch.syspath_prepend(folder.parent)
    yield "user_package"
    for name in [name for name in sys.modules if name.split(".")[0] == "user_package"]:
        del sys.modules[name]


def test_a_custom_domain_metric_is_logged_tested_and_reported(
    package: str, fit_args: list[str], tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "custom.yaml"
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
    printed = capsys.readouterr().out
    assert "deleted" in printed
    titles = [panel.title for section in sections_for(curves) for panel in section.panels]
    assert "deletions by domain" in titles
    shown = render_page([load_run_summary(run, "mine")])
    assert "mine  deleted, %" in shown
    assert "validation deleted by domain over steps" in shown


def test_a_custom_callback_sees_the_logged_metrics(package: str, fit_args: list[str], tmp_path: Path) -> None:
    main([*fit_args, f"--trainer.callbacks+={package}.callbacks.Note", "--trainer.callbacks.note=CER"])
    best = find_run(tmp_path / "run").metrics()["val/cer/mean"][-1][1]
    word, value = (tmp_path / "run" / "noted.txt").read_text().split()
    assert word == "CER"
    assert float(value) == pytest.approx(best)


def test_two_metrics_with_the_same_name_are_rejected(package: str, fit_args: list[str], tmp_path: Path, fails) -> None:  # type: ignore[no-untyped-def]
    metric = {"class_path": f"{package}.metrics.Deletions"}
    config = tmp_path / "custom.yaml"
    config.write_text(yaml.safe_dump({"model": {"metrics": [metric, metric]}}))
    assert "needs a unique name" in fails(main, [*fit_args, f"--config={config}"])


def test_a_metric_that_counts_in_fractions_is_named() -> None:
    class Pace(DomainMetric):
        name, title, unit = "pace", "pace", "characters/s"

        def count(self, utterance):  # type: ignore[no-untyped-def]
            return len(utterance.hypothesis), utterance.seconds

    with pytest.raises(InputError, match=r"^Pace: count returned \(2, 1\.5\), not two integers$"):
        count_utterance(AlignedUtterance("ab", "ab", 1.5), [Pace()])


def test_evaluate_takes_custom_metrics(trained: Path, tones: Path) -> None:
    import stt

    class WordLength(DomainMetric):
        name, title, unit = "characters_per_word", "characters per word", ""

        def count(self, utterance):  # type: ignore[no-untyped-def]
            return len(utterance.reference.replace(" ", "")), len(utterance.words)

    result = stt.evaluate(stt.load(RunFolder(trained).best), read_manifest(tones), metrics=[WordLength()])
    assert all(1 < domain.values["characters_per_word"] < 3 for domain in result.rates.values())
