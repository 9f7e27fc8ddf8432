"""How much audio was trained on, in how many device hours, and how long the device waited for data."""

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
    """Logs at the end of each epoch, over all ranks.

    `progress/audio_hours`, `progress/passes` (over the training data) and `progress/device_hours` count from the
    first step on, over all starts of a run: curves over them can be compared between runs on different machines and
    batch sizes. They are logged with each validation as well, so that its error rates have them for an axis.
    `throughput/audio_seconds_per_second` and `throughput/waiting_for_data` (share of the time) are those of the
    epoch; validation is in none of these.
    """

    def __init__(self) -> None:
        """Start with nothing trained on."""
        self._audio_seconds = self._device_seconds = 0.0
        self._seconds = self._elapsed = self._waited = 0.0  # of the epoch, on this rank
        self._mark = time.perf_counter()
        self._num_ranks = 1

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember how many ranks there are."""
        self._num_ranks = trainer.world_size

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of an epoch."""
        self._start_epoch()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Take the time that the batch was waited for."""
        now = time.perf_counter()
        self._waited += now - self._mark
        self._elapsed += now - self._mark
        self._mark = now

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Take the time of the step."""
        now = time.perf_counter()
        self._elapsed += now - self._mark
        self._mark = now
        self._seconds += sum(batch.seconds)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say how far training is, beside the error rates."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            seconds, elapsed, _ = self._epoch(trainer)
            pl_module.log_dict(self._progress(trainer, self._audio_seconds + seconds, self._device_seconds + elapsed))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the validation out."""
        self._mark = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sum up an epoch over the ranks."""
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
        """What was counted so far; in the middle of an epoch every rank counts like this one, which asks nobody."""
        return {
            "audio_seconds": self._audio_seconds + self._num_ranks * self._seconds,
            "device_seconds": self._device_seconds + self._num_ranks * self._elapsed,
        }

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on counting."""
        self._audio_seconds, self._device_seconds = state_dict["audio_seconds"], state_dict["device_seconds"]

    def _progress(self, trainer: Trainer, audio_seconds: float, device_seconds: float) -> dict[str, float]:
        durations = data_of(trainer).datasets["train"].manifest.durations
        return {
            AUDIO_HOURS: audio_seconds / 3600,
            PASSES: audio_seconds / float(durations.sum(dtype="float64")),
            DEVICE_HOURS: device_seconds / 3600,
        }

    def _epoch(self, trainer: Trainer) -> tuple[float, float, float]:
        """Audio seconds, device seconds and waited seconds of the epoch so far, over all ranks."""
        ranks = all_gather(trainer, (self._seconds, self._elapsed, self._waited))
        seconds, elapsed, waited = (sum(values) for values in zip(*ranks, strict=True))
        return seconds, elapsed, waited

    def _start_epoch(self) -> None:
        self._seconds = self._elapsed = self._waited = 0.0
        self._mark = time.perf_counter()
