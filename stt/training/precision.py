"""Mixed precision: the default for the GPU at hand, and unscaling of gradients before clipping."""

from __future__ import annotations

import torch
from lightning import Trainer
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

# Of Lightning's, those whose parameters stay in float32: others would have a batch's lengths converted, too.
PRECISIONS = ("32-true", "32", "bf16-mixed", "bf16", "16-mixed", "16")


def default_precision() -> str:
    """Return the fastest precision of the oldest visible GPU, by its Lightning name.

    Compute capability decides: bf16 from 8.0 (Ampere), fp16 from 7.0 (Volta, Turing), else float32.
    `torch.cuda.is_bf16_supported()` is also true for cards that only emulate bf16.
    """
    if not torch.cuda.is_available():
        return "32-true"
    oldest = min(torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count()))
    if oldest >= (8, 0):
        return "bf16-mixed"
    return "16-mixed" if oldest >= (7, 0) else "32-true"


def unscale_gradients(trainer: Trainer, optimizer: Optimizer) -> bool:
    """Unscale the gradients of fp16 training before clipping; return whether a gradient scaler is in use.

    Lightning leaves unscaling to optimizers that can do it in their step, such as fused AdamW, so that their
    gradients are still 65,536 times too large in `on_before_optimizer_step`.
    """
    scaler: GradScaler | None = getattr(trainer.precision_plugin, "scaler", None)
    if scaler is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
        scaler.unscale_(optimizer)
    return scaler is not None
