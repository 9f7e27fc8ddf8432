"""Keeps the ranks of a run in agreement on sampling."""

from __future__ import annotations

from functools import partial
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from stt.data.batch import Batch
from stt.errors import InputError
from stt.runs.metric_names import RANK_COST_SPREAD
from stt.training.callbacks.access import stream_of
from stt.training.callbacks.curriculum_feedback import log_now
from stt.training.distributed import all_gather


class RankAgreement(Callback):
    """Connects the batch streams of all ranks, and checks that they have planned the same batches.

    Ranks communicate only in hooks that all of them reach: when the sampler is updated, and before a checkpoint is
    written, never during it. With one rank, it does nothing.
    """

    def __init__(self) -> None:
        """Start without a comparison."""
        self._compared = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Connect the ranks and compare their first windows."""
        stream = stream_of(trainer)
        if trainer.world_size > 1:
            stream.all_gather = partial(all_gather, trainer)
            stream.plan_first()
            self._compare(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Compare windows planned since the last batch; share observations if a checkpoint is due."""
        if trainer.world_size == 1:
            return
        if stream_of(trainer).num_with_feedback != self._compared:
            self._compare(trainer)
        if any(_is_due(callback, trainer.global_step) for callback in trainer.checkpoint_callbacks):
            share_observations(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Share observations, because the best checkpoint may be written next."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            share_observations(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Share observations, because the last checkpoint is written next."""
        share_observations(trainer)

    def _compare(self, trainer: Trainer) -> None:
        stream = stream_of(trainer)
        self._compared = stream.num_with_feedback
        if len(set(all_gather(trainer, stream.digest()))) > 1:
            raise InputError("the ranks have planned different batches: all must read the same manifest and checkpoint")
        log_now(trainer, {RANK_COST_SPREAD: stream.rank_cost_spread()})


def share_observations(trainer: Trainer) -> None:
    """Share what all ranks have observed so far, which a checkpoint must hold; every rank must call this."""
    if trainer.world_size > 1:
        stream_of(trainer).flush()
        stream_of(trainer).gather()


def _is_due(checkpoint: object, step: int) -> bool:
    """Return whether a checkpoint is written after this step (Lightning has no public API for that)."""
    every = checkpoint._every_n_train_steps if isinstance(checkpoint, ModelCheckpoint) else 0
    return bool(every) and step % every == 0
