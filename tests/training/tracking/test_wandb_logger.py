import csv
import logging
from pathlib import Path
from typing import Any

import pytest
import wandb

from stt.cli.train import main
from stt.training.tracking.wandb_logger import TolerantWandbLogger

pytestmark = pytest.mark.usefixtures("offline_wandb")


def broken(*args: Any, **kwargs: Any) -> None:
    raise wandb.errors.CommError("the service has gone away")


def steps_in(run: Path) -> list[str]:
    with (run / "logs" / "version_0" / "metrics.csv").open() as file:
        return [row["step"] for row in csv.DictReader(file) if row["val/cer/mean"]]


def test_a_wandb_failure_is_logged_once_and_training_continues(
    fit_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wandb.sdk.wandb_run.Run, "log", broken)
    with caplog.at_level(logging.WARNING):
        main(fit_args)
    assert steps_in(tmp_path / "run") == ["2", "5"]
    assert len([line for line in caplog.messages if "W&B logging is disabled after an error" in line]) == 1
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()


def test_a_training_ends_as_it_would_though_wandb_cannot_finish_its_run(
    fit_args: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    finish = wandb.finish
    monkeypatch.setattr(wandb, "finish", broken)
    with caplog.at_level(logging.WARNING):
        main(fit_args)
    finish()
    assert "W&B could not finish its run: CommError: the service has gone away" in caplog.text


def test_training_continues_if_wandb_cannot_start(
    fit_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    init = wandb.init
    modes = []

    def only_disabled(**kwargs: Any) -> Any:
        modes.append(kwargs.get("mode"))
        if kwargs.get("mode") != "disabled":
            raise wandb.errors.UsageError("no")
        return init(**kwargs)

    monkeypatch.setattr(wandb, "init", only_disabled)
    with caplog.at_level(logging.WARNING):
        main(fit_args)
    assert modes == [None, "offline", "disabled"]
    assert steps_in(tmp_path / "run") == ["2", "5"]


def test_an_online_run_without_a_network_is_logged_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    unreachable = "http://127.0.0.1:9"
    settings = wandb.Settings(base_url=unreachable, api_key="0" * 40, init_timeout=5, silent=True)
    logger = TolerantWandbLogger(project="p", save_dir=tmp_path, id="abc", mode="online", settings=settings)
    with caplog.at_level(logging.WARNING):
        logger.log_metrics({"x": 1.0}, step=1)
    wandb.finish()
    assert "trying mode offline" in caplog.text
    assert list((tmp_path / "wandb").glob("offline-run-*-abc/run-abc.wandb"))
    assert not logger.failed
