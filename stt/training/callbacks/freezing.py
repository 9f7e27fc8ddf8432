"""Keeps parts of the model as they are for the first steps, while what is new finds its place."""

from __future__ import annotations

from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import Optimizer

from stt.data.batch import Batch
from stt.errors import InputError
from stt.training.callbacks.access import model_of


class Freezing(Callback):
    """Freezes named parts, their running statistics too, for a number of optimizer steps.

    Gradients are dropped before the optimizer sees them, so that nothing about the parameters changes that
    DDP or an optimizer has taken note of.
    """

    def __init__(self, parts: list[str], steps: int) -> None:
        """Name modules (`encoder`, `encoder.conv`, ...) and say for how many steps; -1 means for good."""
        self.parts = parts
        self.steps = steps
        self._modules: list[nn.Module] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the parts.

        Raises:
            InputError: there is no such part.
        """
        known = dict(model_of(pl_module).recognizer.named_modules())
        for part in self.parts:
            if part not in known:
                raise InputError(f"there is no part {part} to freeze; there is {', '.join(_top(known))}")
        self._modules = [known[part] for part in self.parts]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Keep dropout and running statistics of frozen parts still, or let them go."""
        for module in self._modules:
            module.train(not self._frozen(trainer))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Drop the gradients of frozen parts."""
        if self._frozen(trainer):
            for module in self._modules:
                module.zero_grad(set_to_none=True)

    def _frozen(self, trainer: Trainer) -> bool:
        return self.steps < 0 or trainer.global_step < self.steps


def _top(names: dict[str, nn.Module]) -> list[str]:
    return [name for name in names if name and name.count(".") <= 1]
