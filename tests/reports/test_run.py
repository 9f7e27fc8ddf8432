import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stt.errors import InputError
from stt.reports.page import load_run_summary, render_page
from stt.reports.run import Run, find_run
from stt.runs.folder import RunFolder


def log(folder: Path, version: int, lines: str) -> None:
    version_folder = folder / "logs" / f"version_{version}"
    version_folder.mkdir(parents=True)
    (version_folder / "metrics.csv").write_text(lines)


def test_the_later_log_of_a_resumed_run_replaces_overlapping_steps(tmp_path: Path) -> None:
    log(tmp_path, 0, "step,epoch,a,b\n9,0,1.0,\n19,1,2.0,5.0\n29,2,3.0,\n")
    log(tmp_path, 1, "step,epoch,a\n19,1,2.5\n29,2,3.5\n")
    curves = Run(tmp_path, tmp_path / "x.ckpt").metrics()
    assert curves == {"a": [(9, 1.0), (19, 2.5), (29, 3.5)], "b": [(19, 5.0)]}


def test_log_versions_are_ordered_numerically(tmp_path: Path) -> None:
    log(tmp_path, 2, "step,a\n1,2.0\n")
    log(tmp_path, 10, "step,a\n1,10.0\n")
    assert Run(tmp_path, tmp_path / "x.ckpt").metrics() == {"a": [(1, 10.0)]}


@pytest.mark.parametrize("read", [Run.metrics, Run.train_manifests, Run.state])
def test_missing_files_are_named(tmp_path: Path, read: Callable[[Run], object]) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        read(Run(tmp_path, tmp_path / "x.ckpt"))


def test_a_run_folder_means_its_last_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("last", "best"):
        (tmp_path / "checkpoints" / f"{name}.ckpt").touch()
    assert find_run(tmp_path).checkpoint.name == "last.ckpt"
    assert find_run(tmp_path / "checkpoints" / "best.ckpt") == Run(tmp_path, tmp_path / "checkpoints" / "best.ckpt")


def test_the_best_step_of_a_report_is_that_of_the_transcripts(trained: Path) -> None:
    page = render_page([load_run_summary(find_run(trained), "tones")])
    found = re.search(r"\(step (\d+)\)", page)
    assert found
    assert RunFolder(trained).sample_transcripts(int(found[1])).is_file()
