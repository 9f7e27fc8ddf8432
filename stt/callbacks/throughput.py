"""How much audio was trained on, in how many device hours, and how long the device waited for data."""

from __future__ import annotations

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from stt.data.batch import Batch
from stt.ranks import gathered


class Throughput(Callback):
    """Logs at the end of each round, over all ranks.

    `progress/audio_hours`, `progress/passes` (over the training data) and `progress/device_hours` count from the
    first step on, over all starts of a run: curves over them can be compared between runs on different machines and
    batch sizes. They are logged with each validation as well, so that its error rates have them for an axis.
    `throughput/audio_seconds_per_second` and `throughput/waiting_for_data` (share of the time) are those of the
    round; validation is in none of these.
    """

    def __init__(self) -> None:
        """Start with nothing trained on."""
        self._audio_seconds = self._device_seconds = 0.0
        self._seconds = self._elapsed = self._waited = 0.0  # of the round, on this rank
        self._mark = time.perf_counter()
        self._trainer: Trainer | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember the trainer, for the exchange when a state is saved."""
        self._trainer = trainer

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of a round."""
        self._start_round()

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
            seconds, elapsed, _ = self._round(trainer)
            pl_module.log_dict(self._progress(trainer, self._audio_seconds + seconds, self._device_seconds + elapsed))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the validation out."""
        self._mark = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sum up a round over the ranks."""
        seconds, elapsed, waited = self._round(trainer)
        self._audio_seconds += seconds
        self._device_seconds += elapsed
        self._start_round()
        if not elapsed:
            return
        pl_module.log_dict(
            {
                **self._progress(trainer, self._audio_seconds, self._device_seconds),
                "throughput/audio_seconds_per_second": seconds / elapsed * trainer.world_size,
                "throughput/waiting_for_data": waited / elapsed,
            }
        )

    def state_dict(self) -> dict[str, float]:
        """What was counted so far, over all ranks (each must ask)."""
        assert self._trainer is not None
        seconds, elapsed, _ = self._round(self._trainer)
        return {"audio_seconds": self._audio_seconds + seconds, "device_seconds": self._device_seconds + elapsed}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on counting."""
        self._audio_seconds, self._device_seconds = state_dict["audio_seconds"], state_dict["device_seconds"]

    def _progress(self, trainer: Trainer, audio_seconds: float, device_seconds: float) -> dict[str, float]:
        durations = trainer.datamodule.datasets["train"].manifest.durations  # type: ignore[attr-defined]
        return {
            "progress/audio_hours": audio_seconds / 3600,
            "progress/passes": audio_seconds / float(durations.sum(dtype="float64")),
            "progress/device_hours": device_seconds / 3600,
        }

    def _round(self, trainer: Trainer) -> tuple[float, float, float]:
        """Audio seconds, device seconds and waited seconds of the round so far, over all ranks."""
        ranks = gathered(trainer, (self._seconds, self._elapsed, self._waited))
        seconds, elapsed, waited = (sum(values) for values in zip(*ranks, strict=True))
        return seconds, elapsed, waited

    def _start_round(self) -> None:
        self._seconds = self._elapsed = self._waited = 0.0
        self._mark = time.perf_counter()
