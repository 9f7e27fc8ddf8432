import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from stt.data.batch import Skipped, Utterance, collate
from stt.training.callbacks import SkippedReport

MODULE: Any = SimpleNamespace(log=lambda *args: None)


def trainer(folder: Path, ckpt_path: str | None = None) -> Any:
    data = SimpleNamespace(skipped=[Skipped(0, "zero.wav", "d", "duration", "too long")], max_skipped_train_share=0.5)
    rank = {"world_size": 1, "global_rank": 0, "is_global_zero": True}
    state = SimpleNamespace(fn="fit")
    options = {"fast_dev_run": False, "state": state, "ckpt_path": ckpt_path}
    return SimpleNamespace(default_root_dir=folder, datamodule=data, **options, **rank)


def step(losses: list[float], counted: list[bool]) -> dict[str, torch.Tensor]:
    return {"losses": torch.tensor(losses), "counted": torch.tensor(counted)}


def listed(folder: Path) -> dict[str, str]:
    with (folder / "skipped.csv").open() as file:
        return {row["utterance"]: row["kind"] for row in csv.DictReader(file)}


def test_every_skipped_utterance_is_written_with_its_reason(tmp_path: Path) -> None:
    report, run = SkippedReport(), trainer(tmp_path)
    report.on_fit_start(run, MODULE)
    assert listed(tmp_path) == {"zero.wav": "duration"}
    good = Utterance(1, "one.wav", "d", 1.0, np.zeros(9, np.float32), "x", [1])
    short = Utterance(2, "two.wav", "d", 1.0, np.zeros(9, np.float32), "xxx", [1, 1, 1])
    batch = collate([good, short, Skipped(3, "three.wav", "d", "unreadable audio", "gone")])
    report.on_train_batch_end(run, MODULE, step([1.0, 0.0], [True, False]), batch, 0)
    report.on_train_epoch_end(run, MODULE)
    assert listed(tmp_path) == {
        "zero.wav": "duration",
        "two.wav": "not alignable",
        "three.wav": "unreadable audio",
    }


def test_a_resumed_run_keeps_the_list(tmp_path: Path) -> None:
    run, logged = trainer(tmp_path), []
    module: Any = SimpleNamespace(log=lambda name, value: logged.append(float(value)))
    report = SkippedReport()
    report.on_fit_start(run, module)
    gone, late = (Skipped(i, f"{i}.wav", "d", "unreadable audio", "gone") for i in (3, 4))
    report.on_train_batch_end(run, module, step([1.0], [True]), collate([gone]), 0)
    with (tmp_path / "skipped.csv").open("a") as file:
        file.write("train,9,nine")  # a line that a killed run has not finished
    resumed = SkippedReport()
    resumed.on_fit_start(trainer(tmp_path, "last.ckpt"), module)
    resumed.on_train_batch_end(run, module, step([1.0], [True]), collate([gone, late]), 0)
    assert listed(tmp_path) == {"zero.wav": "duration", "3.wav": "unreadable audio", "4.wav": "unreadable audio"}
    assert logged == [2, 3]


def test_an_utterance_is_reported_after_three_non_finite_losses_in_a_row(tmp_path: Path) -> None:
    report, run = SkippedReport(), trainer(tmp_path)
    items = [Utterance(i, f"{i}.wav", "d", 1.0, np.zeros(9, np.float32), "x", [1]) for i in (1, 2)]
    nan = float("nan")
    for losses in ([nan, nan], [nan, 1.0], [1.0, nan], [nan, nan], [nan, nan]):
        report.on_train_batch_end(run, MODULE, step(losses, [True, True]), collate(items), 0)
    report.on_train_epoch_end(run, MODULE)
    assert listed(tmp_path) == {"2.wav": "non-finite loss"}
