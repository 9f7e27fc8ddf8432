"""Learning rate schedules by training step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    """Linear warm-up to the optimizer's learning rate, then cosine decay to a hundredth of it."""

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 100, total_steps: int | None = None) -> None:
        """Set up the schedule.

        Args:
            optimizer: optimizer whose learning rate is scheduled.
            warmup_steps: steps until the learning rate peaks.
            total_steps: steps until the decay ends; None is replaced by `max_steps` in training.

        Raises:
            ValueError: `total_steps` is None.
        """
        if total_steps is None:
            raise ValueError("total_steps must be set outside of training")
        steps = total_steps
        # Nothing is stored in attributes, which a checkpoint would restore: resuming recomputes the schedule.
        super().__init__(optimizer, lambda step: warmup_cosine(step, warmup_steps, steps))


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """Return the fraction of the peak learning rate at a step: linear warm-up, then cosine decay to 0.01."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


def needs_total_steps(factory: Callable[..., Any]) -> bool:
    """Return whether a schedule has an argument `total_steps` that is not set."""
    given = getattr(factory, "keywords", {})  # of a partial, as a configuration creates
    if "total_steps" in given:
        return given["total_steps"] is None
    parameter = inspect.signature(factory).parameters.get("total_steps")
    return parameter is not None and parameter.default is None
