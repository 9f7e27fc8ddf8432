import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stt.errors import InputError
from stt.reports.page import differing_options, load_run_summary, render_page
from stt.reports.run import Run, find_run, option_values
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


def test_options_that_differ_between_runs_are_compared() -> None:
    first = {"seed": 1, "model": {"optimizer": {"class_path": "x.Muon", "init_args": {"lr": 0.1}}}, "run": "runs/a"}
    second = {"seed": 1, "model": {"optimizer": {"class_path": "x.Adam"}}, "run": "runs/b", "ckpt_path": "runs/b/last"}
    assert differing_options([first, second]) == [
        ("model.optimizer.class_path", ["x.Muon", "x.Adam"]),
        ("model.optimizer.init_args.lr", ["0.1", None]),
    ]
    assert differing_options([first, {**first, "run": "runs/b", "replay": None}]) == []
    assert differing_options([first]) == []


def test_options_that_differ_are_escaped_on_the_page(trained: Path) -> None:
    summary = load_run_summary(find_run(trained), "tones")
    other = dataclasses.replace(summary, name="other", config={**summary.config, "seed_everything": "<b>"})
    table = re.search(r'<table id="options">.*?<tbody>(.*?)</tbody>', render_page([summary, other], 0), re.DOTALL)
    assert table
    assert re.findall(r"<td[^>]*>(.*?)</td>", table[1]) == ["seed_everything", "0", "&lt;b&gt;"]


def test_of_a_long_value_that_differs_the_beginning_is_shown() -> None:
    [(name, values)] = differing_options([{"tokenizer": "spm"}, {"tokenizer": "spm" * 1000}])
    assert (name, values) == ("tokenizer", ["spm", f"{('spm' * 1000)[:200]}… (3000 characters)"])


def test_options_are_called_as_on_the_command_line() -> None:
    config = {"trainer": {"callbacks": [{"class_path": "x.Ema"}, "x.Y"], "devices": [0, 1], "logger": None}, "a": True}
    assert dict(option_values(config)) == {
        "trainer.callbacks.0.class_path": "x.Ema",
        "trainer.callbacks.1": "x.Y",
        "trainer.devices": "[0, 1]",
        "a": "True",
    }
