"""Learning-rate schedules over the steps of a training."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    """Linear rise to the optimizer's learning rate, then a cosine down to a hundredth of it."""

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 100, total_steps: int | None = None) -> None:
        """Lay the schedule out.

        Args:
            optimizer: whose learning rate is scheduled.
            warmup_steps: steps in which the learning rate rises to its peak.
            total_steps: steps after which it has fallen; a training gives its `max_steps` where it is None.

        Raises:
            ValueError: nobody has said how many steps there are.
        """
        if total_steps is None:
            raise ValueError("a schedule by itself needs total_steps")
        steps = total_steps
        # Nothing is kept in attributes, which a checkpoint would bring back: resuming lays the schedule out anew.
        super().__init__(optimizer, lambda step: warmup_cosine(step, warmup_steps, steps))


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """Share of the peak learning rate at a step: linear rise, then a cosine down to one hundredth."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


def needs_total_steps(make: Callable[..., Any]) -> bool:
    """Tell whether a schedule has an argument `total_steps` that nobody has set, for the length of the training."""
    given = getattr(make, "keywords", {})  # of a partial, such as a configuration makes
    if "total_steps" in given:
        return given["total_steps"] is None
    parameter = inspect.signature(make).parameters.get("total_steps")
    return parameter is not None and parameter.default is None
