"""The callbacks, in order, and loggers of every run, whether started from the command line or from Python."""

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
from stt.training.callbacks.resumption import Resumption
from stt.training.callbacks.skipped import SkippedReport
from stt.training.callbacks.termination import Termination
from stt.training.callbacks.throughput import Throughput
from stt.training.callbacks.transcripts import Transcripts
from stt.training.callbacks.wandb_metadata import WandbMetadata
from stt.training.callbacks.warm_start import WarmStart
from stt.training.checkpoint_io import write_checkpoints_atomically
from stt.training.tracking.loggers import with_run_loggers

# The order matters. Initial weights are loaded before other callbacks copy or read them. Metrics by domain are logged
# before the forgetting gate, the progress bar and the checkpoints read them. A batch is observed before the ranks share
# observations, and both come before a checkpoint (or a termination, which writes one): otherwise a resumed run would
# miss those of its last batch.
BEFORE_USER_CALLBACKS: tuple[type[Callback], ...] = (
    Resumption,
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
# User callbacks run between the two lists, so that gradients are clipped after they have changed them.
AFTER_USER_CALLBACKS: tuple[type[Callback], ...] = (
    GradientClipping,
    Transcripts,
    ForgettingGate,
    ConfiguredDecoder,
    WandbMetadata,
    TrainingProgressBar,
    Termination,
)
CHECKPOINTS: tuple[type[ModelCheckpoint], ...] = (BestCheckpoint, LastCheckpoint)


def add_default_callbacks(trainer: Trainer) -> None:
    """Add the missing default callbacks and loggers to a Trainer, and sort its callbacks.

    A given callback replaces the default of its class; `logger=False`, `enable_checkpointing=False` and
    `enable_progress_bar=False` are respected. Idempotent.
    """
    if trainer.barebones:
        return
    if trainer.loggers and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        trainer.loggers = with_run_loggers(trainer.loggers, folder_of(trainer).path)
    write_checkpoints_atomically(trainer)
    bar = trainer.progress_bar_callback
    unwanted: list[type[Callback]] = [] if trainer.checkpoint_callbacks else [*CHECKPOINTS]
    unwanted += [] if trainer.loggers else [LearningRateMonitor]
    unwanted += [] if bar and _is_lightning_default(bar) else [TrainingProgressBar]
    callbacks = [one for one in trainer.callbacks if not _is_lightning_default(one)]  # type: ignore[attr-defined]
    for kind in (*BEFORE_USER_CALLBACKS, *AFTER_USER_CALLBACKS, *CHECKPOINTS):
        if kind not in unwanted and not any(isinstance(one, kind) for one in callbacks):
            callbacks.append(LearningRateMonitor("step") if kind is LearningRateMonitor else kind())
    trainer.callbacks = sort_callbacks(callbacks)  # type: ignore[attr-defined]
    # The data module already splits batches between ranks; Lightning must not do it again.
    trainer._accelerator_connector.use_distributed_sampler = False


def sort_callbacks(callbacks: Sequence[Callback]) -> list[Callback]:
    """Sort callbacks by their dependencies; user callbacks keep their order, checkpoints come last."""
    order = (
        (BatchSizeFinder, LearningRateFinder),
        *((kind,) for kind in BEFORE_USER_CALLBACKS),
        None,
        *((kind,) for kind in AFTER_USER_CALLBACKS),
        *((kind,) for kind in CHECKPOINTS),
        (Checkpoint,),
    )

    def position(callback: Callback) -> int:
        positions = (i for i, kinds in enumerate(order) if kinds and isinstance(callback, kinds))
        return next(positions, order.index(None))

    return sorted(callbacks, key=position)


def _is_lightning_default(callback: Callback) -> bool:
    """Return whether a callback is the Trainer's own default, which may be replaced."""
    if type(callback) is ModelCheckpoint:
        return (callback.dirpath, callback.filename, callback.monitor) == (None, None, None)
    if type(callback) is RichProgressBar:
        plain = RichProgressBar()
        return (callback.refresh_rate, callback._leave, callback.theme) == (plain.refresh_rate, False, plain.theme)
    return False
