"""Communication between the ranks of a run."""

from __future__ import annotations

from typing import TypeVar

import torch
from lightning import Trainer

T = TypeVar("T")


def all_gather(trainer: Trainer, value: T) -> list[T]:
    """Return the values of all ranks, in rank order; every rank must call this."""
    if trainer.world_size == 1:
        return [value]
    parts: list[T | None] = [None] * trainer.world_size
    torch.distributed.all_gather_object(parts, value)
    return parts  # type: ignore[return-value]
