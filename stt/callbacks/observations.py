"""Observes the CER of what is trained on, exchanges it between ranks and closes each round of sampling."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from stt.curriculum.draw import Rows
from stt.curriculum.ledger import Floats
from stt.data.batch import Batch
from stt.data.datamodule import SpeechDataModule
from stt.decoding.greedy import greedy_decode
from stt.metrics.error_rate import character_error_rate
from stt.ranks import gathered
from stt.task import SpeechRecognizer
from stt.text.tokenizer import Tokenizer


class Observations(Callback):
    """Logs `curriculum/...` by domain once a round.

    The hypotheses are the greedy ones of the training batch itself, so observing costs no second
    forward pass; they are read a step late, when the device has them ready.
    """

    def __init__(self) -> None:
        """Start without observations."""
        self._rows: list[int] = []
        self._cers: list[float] = []
        self._trainer: Trainer | None = None
        self._previous: tuple[Batch, dict[str, Tensor], Tokenizer] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember the trainer, for the exchange when a state is saved."""
        self._trainer = trainer

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hand the strengths of a restored curriculum to the model."""
        self._set_strengths(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Observe the previous step."""
        self._observe()
        self._previous = (batch, outputs, cast(SpeechRecognizer, pl_module).tokenizer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the round, unless training stops in the middle of it."""
        self._observe()
        datamodule = _datamodule(trainer)
        if not datamodule.round_is_finished:
            return
        rows, cers = self._merged(trainer)
        self._rows, self._cers = [], []
        pl_module.log_dict(datamodule.close_round(rows, cers))
        self._set_strengths(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Observations of a round that is not closed yet, the last step included, of all ranks (each must ask)."""
        self._observe()
        assert self._trainer is not None
        parts = gathered(self._trainer, (self._rows, self._cers))
        return {"rows": [rows for rows, _ in parts], "cers": [cers for _, cers in parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them: each rank with its own, or the first with all if there is another number of ranks now."""
        assert self._trainer is not None
        rank, rows, cers = self._trainer.global_rank, state_dict["rows"], state_dict["cers"]
        if len(rows) == self._trainer.world_size:
            self._rows, self._cers = list(rows[rank]), list(cers[rank])
        elif rank == 0:
            self._rows = [row for part in rows for row in part]
            self._cers = [cer for part in cers for cer in part]

    def _observe(self) -> None:
        if self._previous is None:
            return
        batch, outputs, tokenizer = self._previous
        self._previous = None
        hypotheses = greedy_decode(outputs["log_probs"], outputs["frames"], tokenizer)
        self._rows += batch.rows
        self._cers += [
            character_error_rate(reference, hypothesis.text)
            for reference, hypothesis in zip(batch.references, hypotheses[: len(batch)], strict=True)
        ]

    def _merged(self, trainer: Trainer) -> tuple[Rows, Floats]:
        """Observations of all ranks, each row once (the mean of what was seen of it), in the order of the rows."""
        parts = gathered(trainer, (self._rows, self._cers))
        rows = np.array([row for part in parts for row in part[0]], dtype=np.int64)
        cers = np.array([cer for part in parts for cer in part[1]], dtype=np.float64)
        unique, place = np.unique(rows, return_inverse=True)
        sums = np.bincount(place, weights=cers, minlength=len(unique))
        return unique, (sums / np.bincount(place, minlength=len(unique))).astype(np.float32)

    def _set_strengths(self, trainer: Trainer, pl_module: LightningModule) -> None:
        model = cast(SpeechRecognizer, pl_module)
        model.strength_by_domain = _datamodule(trainer).sampling.strengths(model.augment.strength)


def _datamodule(trainer: Trainer) -> SpeechDataModule:
    return cast(SpeechDataModule, trainer.datamodule)  # type: ignore[attr-defined]
