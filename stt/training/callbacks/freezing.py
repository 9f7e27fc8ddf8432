"""Freezes parts of the model for the first steps, while new parts adapt."""

from __future__ import annotations

from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import Optimizer

from stt.data.batch import Batch
from stt.errors import InputError
from stt.training.callbacks.access import model_of


class Freezing(Callback):
    """Freezes named parts, including their running statistics, for a number of optimizer steps.

    Gradients are dropped before the optimizer step, so that nothing changes in the parameters that DDP or the
    optimizer has already registered.
    """

    def __init__(self, parts: list[str], steps: int) -> None:
        """Set the modules (`encoder`, `encoder.conv`, ...) and the number of steps; -1 freezes them permanently."""
        self.parts = parts
        self.steps = steps
        self._modules: list[nn.Module] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look up the parts.

        Raises:
            InputError: a part does not exist.
        """
        known = dict(model_of(pl_module).recognizer.named_modules())
        for part in self.parts:
            if part not in known:
                names = ", ".join(name for name in known if name and name.count(".") <= 1)
                raise InputError(f"cannot freeze {part}: there is no such part; known are {names}")
        self._modules = [known[part] for part in self.parts]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Put frozen parts in eval mode, and the others in training mode."""
        for module in self._modules:
            module.train(not self._frozen(trainer))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Drop the gradients of frozen parts."""
        if self._frozen(trainer):
            for module in self._modules:
                module.zero_grad(set_to_none=True)

    def _frozen(self, trainer: Trainer) -> bool:
        return self.steps < 0 or trainer.global_step < self.steps
