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


class RecordingLogger:
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
        loggers=[RecordingLogger()],
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        sanity_checking=False,
    )


@pytest.fixture
def other_rank(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The other rank's value, by default the same, and the number of exchanges."""
    state: dict[str, Any] = {"exchanges": 0}

    def all_gather(_: Any, value: Any) -> list[Any]:
        state["exchanges"] += 1
        return [value, state.get("value", value)]

    monkeypatch.setattr("stt.training.callbacks.rank_agreement.all_gather", all_gather)
    return state


def test_agreeing_ranks_continue_and_log_their_cost_spread(other_rank: dict[str, Any]) -> None:
    trainer = trainer_of(stream_over(CurriculumSampler(), num_ranks=2), [])
    RankAgreement().on_train_start(trainer, MODULE)
    assert 0 < trainer.loggers[0].metrics["data/rank_cost_spread"] < 0.5


def test_disagreeing_ranks_are_stopped(other_rank: dict[str, Any]) -> None:
    other_rank["value"] = "another plan"
    trainer = trainer_of(stream_over(CurriculumSampler(), num_ranks=2), [])
    with pytest.raises(InputError, match="the same manifest and checkpoint"):
        RankAgreement().on_train_start(trainer, MODULE)


def test_observations_are_shared_only_before_a_checkpoint(other_rank: dict[str, Any], tmp_path: Path) -> None:
    stream = stream_over(CurriculumSampler(), num_ranks=2)
    checkpoints = [ModelCheckpoint(tmp_path, every_n_train_steps=4), ModelCheckpoint(tmp_path, monitor="x")]
    callback, trainer = RankAgreement(), trainer_of(stream, checkpoints)
    callback.on_train_start(trainer, MODULE)
    shared_at = []
    for number in range(9):
        stream.consumed += 1
        stream.observe(number, Observations.empty)
        trainer.global_step = number + 1
        callback.on_train_batch_end(trainer, MODULE, None, BATCH, number)
        if stream._gathered == number + 1:
            shared_at.append(number + 1)
    assert shared_at == [4, 8]
    callback.on_validation_end(trainer, MODULE)
    assert stream._gathered == 9
    stream.observe(9, Observations.empty)
    callback.on_train_epoch_end(trainer, MODULE)
    assert stream._gathered == 10


def test_an_unscheduled_checkpoint_warns_about_missing_observations(
    other_rank: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    stream = stream_over(CurriculumSampler(), num_ranks=2)
    RankAgreement().on_train_start(trainer_of(stream, []), MODULE)
    stream.consumed = 1
    stream.observe(0, Observations.empty)
    stream.state_dict()
    assert "observations of 1 batches are missing" in caplog.text


def test_a_single_rank_does_not_communicate(other_rank: dict[str, Any], tmp_path: Path) -> None:
    trainer = trainer_of(stream_over(CurriculumSampler()), [ModelCheckpoint(tmp_path, every_n_train_steps=1)], 1)
    callback = RankAgreement()
    callback.on_train_start(trainer, MODULE)
    callback.on_train_batch_end(trainer, MODULE, None, BATCH, 0)
    callback.on_validation_end(trainer, MODULE)
    callback.on_train_epoch_end(trainer, MODULE)
    assert not other_rank["exchanges"]
