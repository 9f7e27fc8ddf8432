from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.trainer.states import TrainerFn

from stt.training.callbacks import Throughput


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_audio_and_time_exclude_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, logged = Clock(), {}
    monkeypatch.setattr("stt.training.callbacks.throughput.time.perf_counter", clock)
    dataset = SimpleNamespace(manifest=SimpleNamespace(durations=np.full(4, 5.0, np.float32)))
    trainer: Any = SimpleNamespace(
        world_size=1,
        datamodule=SimpleNamespace(datasets={"train": dataset}),
        state=SimpleNamespace(fn=TrainerFn.FITTING),
        sanity_checking=False,
    )
    module: Any = SimpleNamespace(log_dict=logged.update)
    batch: Any = SimpleNamespace(seconds=[4.0, 6.0])
    callback = Throughput()
    callback.setup(trainer, module, "fit")

    def epoch_of(steps: int, wait_seconds: float) -> None:
        callback.on_train_epoch_start(trainer, module)
        for i in range(steps):
            clock.now += wait_seconds
            callback.on_train_batch_start(trainer, module, batch, i)
            clock.now += 2.0
            callback.on_train_batch_end(trainer, module, {}, batch, i)
        logged.clear()
        callback.on_validation_epoch_end(trainer, module)
        at_validation = dict(logged)
        clock.now += 1000.0  # the validation
        callback.on_validation_end(trainer, module)
        callback.on_train_epoch_end(trainer, module)
        assert {name: logged[name] for name in at_validation} == at_validation  # as at the end of their epoch

    epoch_of(steps=3, wait_seconds=0.5)
    assert logged["throughput/audio_seconds_per_second"] == pytest.approx(30 / 7.5)
    assert logged["throughput/waiting_for_data"] == pytest.approx(1.5 / 7.5)
    other = Throughput()
    other.setup(trainer, module, "fit")
    other.load_state_dict(callback.state_dict())
    callback = other
    epoch_of(steps=1, wait_seconds=0.0)
    assert logged["progress/audio_hours"] == pytest.approx(40 / 3600)
    assert logged["progress/device_hours"] == pytest.approx(9.5 / 3600)
    assert logged["progress/passes"] == pytest.approx(2.0)


def test_a_checkpoint_within_an_epoch_counts_its_audio() -> None:
    callback = Throughput()
    trainer: Any = SimpleNamespace(world_size=1)
    module: Any = SimpleNamespace()
    callback.setup(trainer, module, "fit")
    callback.on_train_epoch_start(trainer, module)
    callback.on_train_batch_end(trainer, module, {}, SimpleNamespace(seconds=[2.0]), 0)  # type: ignore[arg-type]
    assert callback.state_dict()["audio_seconds"] == 2.0
