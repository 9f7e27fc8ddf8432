"""Ends training on SIGTERM: all ranks after the same step, with a checkpoint, and with the exit code of the signal."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch import distributed

from stt.data.batch import Batch
from stt.training.callbacks.access import folder_of
from stt.training.callbacks.checkpoints import LastCheckpoint
from stt.training.callbacks.rank_agreement import share_observations
from stt.training.distributed import end_with

log = logging.getLogger(__name__)
EXIT_CODE = 128 + signal.SIGTERM  # what a shell reports of a process that the signal has ended


class Termination(Callback):
    """Saves the last checkpoint when SIGTERM arrives, and ends the process with exit code 143.

    A signal to one rank ends all of them: each step exchanges, on the host, whether a rank was signalled, and the
    result is read a step later, so that no device is waited for. Lightning's own handling communicates inside the
    signal handler, where it can meet another collective and hang, and it exits with code 0.
    A signal during a validation takes effect after the next step.
    """

    def __init__(self) -> None:
        """Start without a signal."""
        self.requested = False
        self._agreed = False  # by all ranks, that one of them was signalled
        self._saved = False
        self._group: Any = None
        self._flag = torch.zeros(1, dtype=torch.int32)
        self._exchange: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let a rank that another one has started end with it, whatever it is waiting for."""
        if trainer.global_rank and _started_by_rank_0(trainer):
            end_with(os.getppid())

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for the signal."""
        self._listen(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen for the signal, and connect the ranks."""
        self._listen(trainer)
        if trainer.world_size > 1:
            self._group = distributed.new_group(backend="gloo")
            trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing  # type: ignore[method-assign]
        elif self.requested:  # before the first step there is nothing to save
            raise SystemExit(EXIT_CODE)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Save if a signal has arrived; at an epoch's last step, its end does so."""
        self._agreed = self._agreed or self._agree(trainer)
        loop = trainer.fit_loop.epoch_loop
        if not self._agreed or self._saved or loop.batch_progress.is_last_batch or loop._should_accumulate():
            return
        if any(isinstance(one, LastCheckpoint) for one in trainer.checkpoint_callbacks):
            share_observations(trainer)
            trainer.save_checkpoint(folder_of(trainer).last)
        self._saved = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave saving to `LastCheckpoint`, which comes next, and save at this epoch although it may skip some."""
        self._saved = self._agreed
        if self._agreed:
            for checkpoint in trainer.checkpoint_callbacks:
                if isinstance(checkpoint, LastCheckpoint):
                    checkpoint.save_every_epoch()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Exit after the checkpoint; by now the metrics of its step have been logged as well."""
        if self._saved:
            self._exit(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exit if the signal came at the end of training."""
        if self._agreed:
            self._exit(trainer)

    def _listen(self, trainer: Trainer) -> None:
        self.requested = self.requested or trainer.received_sigterm
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._request)  # Lightning restores the previous handler at the end

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True

    def _agree(self, trainer: Trainer) -> bool:
        if self._group is None:
            return self.requested
        agreed = False
        if self._exchange is not None:
            self._exchange.wait()
            agreed = bool(self._flag.item())
        self._flag = torch.tensor([int(self.requested)], dtype=torch.int32)
        self._exchange = distributed.all_reduce(self._flag, distributed.ReduceOp.MAX, group=self._group, async_op=True)
        return agreed

    def _exit(self, trainer: Trainer) -> None:
        if trainer.is_global_zero:
            last = folder_of(trainer).last
            log.warning("stopped by SIGTERM after step %d; resume with --ckpt_path %s", trainer.global_step, last)
        # Lightning kills all processes when one that it has started fails, which would be before rank 0 has ended.
        raise SystemExit(0 if trainer.global_rank and _started_by_rank_0(trainer) else EXIT_CODE)


def _nothing() -> None:
    """Replace Lightning's exchange, for which each step would wait."""


def _started_by_rank_0(trainer: Trainer) -> bool:
    """Return whether Lightning itself starts the other ranks of a machine, and not torchrun or SLURM."""
    return isinstance(getattr(trainer.strategy, "cluster_environment", None), LightningEnvironment)
