from collections.abc import Callable
from pathlib import Path

import pytest

from stt.errors import InputError
from stt.reports.run import Run, find_run


def log(folder: Path, version: int, lines: str) -> None:
    place = folder / "logs" / f"version_{version}"
    place.mkdir(parents=True)
    (place / "metrics.csv").write_text(lines)


def test_of_a_resumed_run_the_later_log_counts_from_where_it_begins(tmp_path: Path) -> None:
    log(tmp_path, 0, "step,epoch,a,b\n9,0,1.0,\n19,1,2.0,5.0\n29,2,3.0,\n")
    log(tmp_path, 1, "step,epoch,a\n19,1,2.5\n29,2,3.5\n")
    curves = Run(tmp_path, tmp_path / "x.ckpt").metrics()
    assert curves == {"a": [(9, 1.0), (19, 2.5), (29, 3.5)], "b": [(19, 5.0)]}


def test_versions_are_read_as_numbers(tmp_path: Path) -> None:
    log(tmp_path, 2, "step,a\n1,2.0\n")
    log(tmp_path, 10, "step,a\n1,10.0\n")
    assert Run(tmp_path, tmp_path / "x.ckpt").metrics() == {"a": [(1, 10.0)]}


@pytest.mark.parametrize("ask", [Run.metrics, Run.train_manifests, Run.state])
def test_what_is_missing_is_named(tmp_path: Path, ask: Callable[[Run], object]) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        ask(Run(tmp_path, tmp_path / "x.ckpt"))


def test_a_folder_stands_for_its_last_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("last", "best"):
        (tmp_path / "checkpoints" / f"{name}.ckpt").touch()
    assert find_run(tmp_path).checkpoint.name == "last.ckpt"
    assert find_run(tmp_path / "checkpoints" / "best.ckpt") == Run(tmp_path, tmp_path / "checkpoints" / "best.ckpt")
