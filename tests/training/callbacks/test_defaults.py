from typing import Any

import pytest
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint, RichProgressBar

from stt.training.callbacks import (
    BestCheckpoint,
    CurriculumFeedback,
    DomainMetrics,
    ForgettingGate,
    GradientClipping,
    LastCheckpoint,
    PercentileClipping,
    RankAgreement,
    TrainingProgressBar,
    WarmStart,
)
from stt.training.callbacks.defaults import (
    AFTER_USER_CALLBACKS,
    BEFORE_USER_CALLBACKS,
    CHECKPOINTS,
    add_default_callbacks,
    sort_callbacks,
)


class UserCallback(Callback):
    """A callback of the user."""


def with_defaults(**options: Any) -> list[Callback]:
    trainer = Trainer(accelerator="cpu", **options)
    add_default_callbacks(trainer)
    once = list(trainer.callbacks)
    add_default_callbacks(trainer)
    assert trainer.callbacks == once, "adding them again changes nothing"
    return once


def kinds(callbacks: list[Callback]) -> list[type]:
    return [type(one) for one in callbacks]


def test_a_plain_trainer_gets_all_defaults_once_and_in_order(tmp_path: Any) -> None:
    result = kinds(with_defaults(default_root_dir=tmp_path, enable_model_summary=False))
    assert result == [*BEFORE_USER_CALLBACKS, *AFTER_USER_CALLBACKS, *CHECKPOINTS]


@pytest.mark.parametrize("given", [[RankAgreement, CurriculumFeedback], [CurriculumFeedback, RankAgreement]])
def test_the_order_does_not_depend_on_how_callbacks_are_given(given: list[type]) -> None:
    shuffled = [
        LastCheckpoint(),
        ForgettingGate(),
        UserCallback(),
        *(kind() for kind in given),
        DomainMetrics(),
        WarmStart(),
    ]
    expected = [
        WarmStart,
        DomainMetrics,
        CurriculumFeedback,
        RankAgreement,
        UserCallback,
        ForgettingGate,
        LastCheckpoint,
    ]
    assert kinds(sort_callbacks(shuffled)) == expected


def test_a_given_callback_replaces_the_default_of_its_class(tmp_path: Any) -> None:
    best, clip, bar = BestCheckpoint(monitor="val/wer/mean"), PercentileClipping(), RichProgressBar(leave=True)
    more = ModelCheckpoint(filename="{epoch}", monitor="val/loss")
    stop = EarlyStopping("val/loss")
    result = with_defaults(default_root_dir=tmp_path, callbacks=[more, best, clip, bar, stop, UserCallback()])
    assert {id(one) for one in (best, clip, bar, more, stop)} <= {id(one) for one in result}
    assert sum(isinstance(one, GradientClipping) for one in result) == 1
    assert sum(isinstance(one, BestCheckpoint) for one in result) == 1
    assert not any(isinstance(one, TrainingProgressBar) for one in result)
    assert kinds(result)[-3:] == [BestCheckpoint, LastCheckpoint, ModelCheckpoint]


def test_disabled_defaults_are_not_added(tmp_path: Any) -> None:
    without = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    result = with_defaults(default_root_dir=tmp_path, **without)
    for kind in (LearningRateMonitor, ModelCheckpoint, TrainingProgressBar):
        assert not any(isinstance(one, kind) for one in result), kind


def test_observations_come_before_ranks_share_them_and_both_before_a_checkpoint() -> None:
    order = [*BEFORE_USER_CALLBACKS, *AFTER_USER_CALLBACKS, *CHECKPOINTS]
    for earlier, later in (
        (WarmStart, DomainMetrics),
        (DomainMetrics, ForgettingGate),
        (CurriculumFeedback, RankAgreement),
        (RankAgreement, LastCheckpoint),
        (ForgettingGate, BestCheckpoint),
    ):
        assert order.index(earlier) < order.index(later)
