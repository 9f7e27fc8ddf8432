"""What the ranks of a run tell each other."""

from __future__ import annotations

from typing import TypeVar

import torch
from lightning import Trainer

T = TypeVar("T")


def all_gather(trainer: Trainer, mine: T) -> list[T]:
    """Everybody's value, in the order of the ranks; every rank must call it."""
    if trainer.world_size == 1:
        return [mine]
    parts: list[T | None] = [None] * trainer.world_size
    torch.distributed.all_gather_object(parts, mine)
    return parts  # type: ignore[return-value]
