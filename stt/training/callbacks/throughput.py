"""Logs audio hours, device hours and the time spent waiting for data."""

from __future__ import annotations

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from stt.data.batch import Batch
from stt.runs.metric_names import AUDIO_HOURS, DEVICE_HOURS, PASSES, SPEED, WAITING
from stt.training.callbacks.access import data_of
from stt.training.distributed import all_gather


class Throughput(Callback):
    """Logs progress and throughput at the end of each epoch, over all ranks.

    `progress/audio_hours`, `progress/passes` (over the training data) and `progress/device_hours` are cumulative,
    also when a run is resumed: as axes they make runs with different machines and batch sizes comparable. They are
    also logged with each validation, as axes for its error rates. `throughput/audio_seconds_per_second` (RTFx) and
    `throughput/waiting_for_data` (share of the time) are those of the epoch; none of them includes validation.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self._audio_seconds = self._device_seconds = 0.0
        self._seconds = self._elapsed = self._waited = 0.0  # of this epoch and rank
        self._mark = time.perf_counter()
        self._num_ranks = 1

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Store the number of ranks."""
        self._num_ranks = trainer.world_size

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start timing the epoch."""
        self._start_epoch()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Add the time spent waiting for the batch."""
        self._waited += self._lap()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Add the time of the step."""
        self._lap()
        self._seconds += sum(batch.seconds)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the progress with the error rates."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            seconds, elapsed, _ = self._epoch(trainer)
            pl_module.log_dict(self._progress(trainer, self._audio_seconds + seconds, self._device_seconds + elapsed))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exclude the time of the validation."""
        self._mark = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sum the epoch over all ranks and log it."""
        seconds, elapsed, waited = self._epoch(trainer)
        self._audio_seconds += seconds
        self._device_seconds += elapsed
        self._start_epoch()
        if not elapsed:
            return
        pl_module.log_dict(
            {
                **self._progress(trainer, self._audio_seconds, self._device_seconds),
                SPEED: seconds / elapsed * trainer.world_size,
                WAITING: waited / elapsed,
            }
        )

    def state_dict(self) -> dict[str, float]:
        """Return the totals; within an epoch, all ranks are assumed equal, to avoid communication."""
        return {
            "audio_seconds": self._audio_seconds + self._num_ranks * self._seconds,
            "device_seconds": self._device_seconds + self._num_ranks * self._elapsed,
        }

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Restore the totals."""
        self._audio_seconds, self._device_seconds = state_dict["audio_seconds"], state_dict["device_seconds"]

    def _progress(self, trainer: Trainer, audio_seconds: float, device_seconds: float) -> dict[str, float]:
        durations = data_of(trainer).datasets["train"].manifest.durations
        return {
            AUDIO_HOURS: audio_seconds / 3600,
            PASSES: audio_seconds / float(durations.sum(dtype="float64")),
            DEVICE_HOURS: device_seconds / 3600,
        }

    def _epoch(self, trainer: Trainer) -> tuple[float, float, float]:
        """Return audio, device and waiting seconds of the epoch so far, over all ranks."""
        ranks = all_gather(trainer, (self._seconds, self._elapsed, self._waited))
        seconds, elapsed, waited = (sum(values) for values in zip(*ranks, strict=True))
        return seconds, elapsed, waited

    def _lap(self) -> float:
        """Add the seconds since the last mark to the epoch, and return them."""
        before, self._mark = self._mark, time.perf_counter()
        self._elapsed += self._mark - before
        return self._mark - before

    def _start_epoch(self) -> None:
        self._seconds = self._elapsed = self._waited = 0.0
        self._mark = time.perf_counter()
