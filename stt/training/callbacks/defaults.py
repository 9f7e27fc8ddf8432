"""What every run has, from the command line and from Python alike: callbacks in their order, and loggers."""

from __future__ import annotations

from collections.abc import Sequence

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    Checkpoint,
    LearningRateFinder,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)

from stt.training.callbacks.access import folder_of
from stt.training.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from stt.training.callbacks.clipping import GradientClipping
from stt.training.callbacks.config import PythonConfig
from stt.training.callbacks.configured_decoder import ConfiguredDecoder
from stt.training.callbacks.curriculum_feedback import CurriculumFeedback
from stt.training.callbacks.domain_metrics import DomainMetrics
from stt.training.callbacks.forgetting import ForgettingGate
from stt.training.callbacks.output_summary import OutputSummary
from stt.training.callbacks.predictions import Predictions
from stt.training.callbacks.progress_bar import TrainingProgressBar
from stt.training.callbacks.rank_agreement import RankAgreement
from stt.training.callbacks.skipped import SkippedReport
from stt.training.callbacks.throughput import Throughput
from stt.training.callbacks.transcripts import Transcripts
from stt.training.callbacks.wandb_metadata import WandbMetadata
from stt.training.callbacks.warm_start import WarmStart
from stt.training.tracking.loggers import with_run_loggers

# The order is relied on. First weights are taken, which others copy and look at. What is measured by domain is logged
# before the gate, the bar and the checkpoints look at it. Feedback of a batch is taken before the ranks share it, and
# both before a checkpoint is written: without that a resumed run would not know what its last batch has shown.
BEFORE_USER_CALLBACKS: tuple[type[Callback], ...] = (
    WarmStart,
    DomainMetrics,
    PythonConfig,
    SkippedReport,
    CurriculumFeedback,
    RankAgreement,
    Throughput,
    OutputSummary,
    Predictions,
    LearningRateMonitor,
)
# A user's own callbacks stand between these, so that what they do to gradients is clipped.
AFTER_USER_CALLBACKS: tuple[type[Callback], ...] = (
    GradientClipping,
    Transcripts,
    ForgettingGate,
    ConfiguredDecoder,
    WandbMetadata,
    TrainingProgressBar,
)
CHECKPOINTS: tuple[type[ModelCheckpoint], ...] = (BestCheckpoint, LastCheckpoint)


def add_default_callbacks(trainer: Trainer) -> None:
    """Give a Trainer the callbacks and loggers that it lacks, and put its callbacks in order.

    A callback that it was given stands in for the one of the same kind; `logger=False`, `enable_checkpointing=False`
    and `enable_progress_bar=False` leave out what they say. Doing it again changes nothing.
    """
    if trainer.barebones:
        return
    if trainer.loggers and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        trainer.loggers = with_run_loggers(trainer.loggers, folder_of(trainer).path)
    bar = trainer.progress_bar_callback
    unwanted: list[type[Callback]] = [] if trainer.checkpoint_callbacks else [*CHECKPOINTS]
    unwanted += [] if trainer.loggers else [LearningRateMonitor]
    unwanted += [] if bar and _is_lightnings(bar) else [TrainingProgressBar]
    callbacks = [one for one in trainer.callbacks if not _is_lightnings(one)]  # type: ignore[attr-defined]
    for kind in (*BEFORE_USER_CALLBACKS, *AFTER_USER_CALLBACKS, *CHECKPOINTS):
        if kind not in unwanted and not any(isinstance(one, kind) for one in callbacks):
            callbacks.append(LearningRateMonitor("step") if kind is LearningRateMonitor else kind())
    trainer.callbacks = sort_callbacks(callbacks)  # type: ignore[attr-defined]
    # The data module deals batches out to the ranks itself; Lightning would do it again.
    trainer._accelerator_connector.use_distributed_sampler = False


def sort_callbacks(callbacks: Sequence[Callback]) -> list[Callback]:
    """Sort callbacks by what they rely on; those that nothing is said of keep their order, checkpoints come last."""
    order = (
        (BatchSizeFinder, LearningRateFinder),
        *((kind,) for kind in BEFORE_USER_CALLBACKS),
        None,
        *((kind,) for kind in AFTER_USER_CALLBACKS),
        *((kind,) for kind in CHECKPOINTS),
        (Checkpoint,),
    )

    def place(callback: Callback) -> int:
        found = (i for i, kinds in enumerate(order) if kinds and isinstance(callback, kinds))
        return next(found, order.index(None))

    return sorted(callbacks, key=place)


def _is_lightnings(callback: Callback) -> bool:
    """Tell whether a callback is as the Trainer makes it where nobody gives one, so that ours may replace it."""
    if type(callback) is ModelCheckpoint:
        return (callback.dirpath, callback.filename, callback.monitor) == (None, None, None)
    if type(callback) is RichProgressBar:
        plain = RichProgressBar()
        return (callback.refresh_rate, callback._leave, callback.theme) == (plain.refresh_rate, False, plain.theme)
    return False
