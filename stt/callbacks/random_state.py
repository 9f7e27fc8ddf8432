"""Keeps the random generators in the checkpoint, so that a resumed run draws the masks that it would have drawn."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from stt.ranks import gathered


class RandomState(Callback):
    """Saves and restores what dropout and augmentation draw from, on every rank."""

    def __init__(self) -> None:
        """Start without a state to restore."""
        self._trainer: Trainer | None = None
        self._restored: dict[str, Tensor] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember the trainer, for the exchange when a state is saved."""
        self._trainer = trainer

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore, once: nothing is drawn between here and the first step."""
        if self._restored is not None:
            torch.set_rng_state(self._restored["cpu"])
            if "cuda" in self._restored and torch.cuda.is_available():
                torch.cuda.set_rng_state(self._restored["cuda"])
            self._restored = None

    def state_dict(self) -> dict[str, Any]:
        """State of the generators of all ranks (each must ask)."""
        assert self._trainer is not None
        state = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state()
        return {"ranks": gathered(self._trainer, state)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state of this rank; with another number of ranks there is none to go on from."""
        assert self._trainer is not None
        ranks = state_dict["ranks"]
        if len(ranks) == self._trainer.world_size:
            self._restored = ranks[self._trainer.global_rank]
