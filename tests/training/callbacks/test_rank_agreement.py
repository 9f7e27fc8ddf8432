from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from stt.errors import InputError
from stt.sampling import BatchStream, CurriculumSampler
from stt.sampling.observations import Observations
from stt.training.callbacks import RankAgreement
from tests.sampling.test_stream import stream_over

MODULE: Any = None
BATCH: Any = None


class Logged:
    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics |= metrics


def trainer_of(stream: BatchStream, checkpoints: list[ModelCheckpoint], step: int = 0) -> Any:
    return SimpleNamespace(
        world_size=stream.num_ranks,
        datamodule=SimpleNamespace(stream=stream),
        checkpoint_callbacks=checkpoints,
        global_step=step,
        loggers=[Logged()],
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        sanity_checking=False,
    )


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the other rank says: by default the same."""
    said: dict[str, Any] = {"asked": 0}

    def all_gather(_: Any, mine: Any) -> list[Any]:
        said["asked"] += 1
        return [mine, said.get("value", mine)]

    monkeypatch.setattr("stt.training.callbacks.rank_agreement.all_gather", all_gather)
    return said


def test_ranks_that_planned_the_same_go_on_and_what_they_wait_is_logged(other: dict[str, Any]) -> None:
    trainer = trainer_of(stream_over(CurriculumSampler(), num_ranks=2), [])
    RankAgreement().on_train_start(trainer, MODULE)
    assert 0 < trainer.loggers[0].metrics["data/rank_cost_spread"] < 0.5


def test_ranks_that_planned_otherwise_are_stopped(other: dict[str, Any]) -> None:
    other["value"] = "another plan"
    trainer = trainer_of(stream_over(CurriculumSampler(), num_ranks=2), [])
    with pytest.raises(InputError, match="the same manifest and checkpoint"):
        RankAgreement().on_train_start(trainer, MODULE)


def test_what_was_seen_is_shared_before_a_checkpoint_and_not_at_other_steps(
    other: dict[str, Any], tmp_path: Path
) -> None:
    stream = stream_over(CurriculumSampler(), num_ranks=2)
    checkpoints = [ModelCheckpoint(tmp_path, every_n_train_steps=4), ModelCheckpoint(tmp_path, monitor="x")]
    callback, trainer = RankAgreement(), trainer_of(stream, checkpoints)
    callback.on_train_start(trainer, MODULE)
    complete = []
    for number in range(9):
        stream.consumed += 1
        stream.observe(number, Observations.empty)
        trainer.global_step = number + 1
        callback.on_train_batch_end(trainer, MODULE, None, BATCH, number)
        if stream._gathered == number + 1:
            complete.append(number + 1)
    assert complete == [4, 8]
    callback.on_validation_end(trainer, MODULE)
    assert stream._gathered == 9
    stream.observe(9, Observations.empty)
    callback.on_train_epoch_end(trainer, MODULE)
    assert stream._gathered == 10


def test_a_checkpoint_that_nobody_announced_says_what_it_lacks(
    other: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    stream = stream_over(CurriculumSampler(), num_ranks=2)
    RankAgreement().on_train_start(trainer_of(stream, []), MODULE)
    stream.consumed = 1
    stream.observe(0, Observations.empty)
    stream.state_dict()
    assert "observations of 1 batches are missing" in caplog.text


def test_one_rank_asks_nobody(other: dict[str, Any], tmp_path: Path) -> None:
    trainer = trainer_of(stream_over(CurriculumSampler()), [ModelCheckpoint(tmp_path, every_n_train_steps=1)], 1)
    callback = RankAgreement()
    callback.on_train_start(trainer, MODULE)
    callback.on_train_batch_end(trainer, MODULE, None, BATCH, 0)
    callback.on_validation_end(trainer, MODULE)
    callback.on_train_epoch_end(trainer, MODULE)
    assert not other["asked"]
