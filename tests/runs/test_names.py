import re
from pathlib import Path

import pytest

from stt.errors import InputError
from stt.runs.folder import RunFolder
from stt.runs.metric_names import domain_metric_name, logged_domain_metrics, logged_domains
from tests.conftest import ROOT

SPELLED_ONCE = {
    "folder.py": [
        r"last\.ckpt",
        r"test_metrics\.json",
        r"\"checkpoints\"",
        r"run_id\"",
        r"\"recognized\"",
        r"predictions\{",
    ],
    "metric_names.py": [r"\"val/cer", r"\"val/wer/", r"\"progress/", r"\"clip/", r"\"throughput/", r"\"forgetting/"],
}


@pytest.mark.parametrize(("owner", "pattern"), [(owner, one) for owner, all_ in SPELLED_ONCE.items() for one in all_])
def test_names_are_spelled_out_in_one_file(owner: str, pattern: str) -> None:
    others = []
    for path in sorted((ROOT / "stt").rglob("*.py")):
        code = re.sub(r'"""(?:.|\n)*?"""', "", path.read_text())  # docstrings may mention them
        if path.name != owner and re.search(pattern, code):
            others.append(str(path.relative_to(ROOT)))
    assert others == []


def test_the_run_folder_is_found_from_a_checkpoint() -> None:
    run = RunFolder(Path("runs/a"))
    assert RunFolder.of_checkpoint(run.best) == run
    assert RunFolder.of_checkpoint("models/a.ckpt") is None


def test_logs_are_sorted_by_version_number(tmp_path: Path) -> None:
    for number in (10, 9, 0):
        folder = tmp_path / "logs" / f"version_{number}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text("")
    assert [path.parent.name for path in RunFolder(tmp_path).logs] == ["version_0", "version_9", "version_10"]


def test_a_folder_that_holds_a_run_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.check_unused()
    run.checkpoints.mkdir()
    run.last.write_text("")
    with pytest.raises(InputError, match=f"already holds a run.*{run.last}"):
        run.check_unused()


def test_metrics_and_domains_are_found_in_logged_names() -> None:
    names = [
        domain_metric_name("validate", metric, d)
        for metric in ("cer", "deletions")
        for d in ("a", "b", "mean", "in_domain")
    ]
    assert logged_domain_metrics([*names, "test/wer/mean", "val/loss"], "validate") == ["cer", "deletions"]
    assert logged_domains(names, "val/deletions") == ["a", "b"]
