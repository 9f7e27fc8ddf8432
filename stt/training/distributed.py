"""Communication between the ranks of a run."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TypeVar

import torch
from lightning import Trainer

T = TypeVar("T")
RANK_0_VARIABLE = "STT_RANK_0"  # passes the process number of rank 0 to the processes that it starts


def all_gather(trainer: Trainer, value: T) -> list[T]:
    """Return the values of all ranks, in rank order; every rank must call this."""
    if trainer.world_size == 1:
        return [value]
    parts: list[T | None] = [None] * trainer.world_size
    torch.distributed.all_gather_object(parts, value)
    return parts  # type: ignore[return-value]


def end_with_rank_0() -> None:
    """In rank 0, tell the processes that it starts who it is; in those, end with it from now on.

    It may be lost while the others still import or wait for each other, where nothing would ever end them.
    """
    rank_0 = os.environ.get(RANK_0_VARIABLE)
    if rank_0 and int(os.environ.get("LOCAL_RANK", "0")):  # Lightning started this process, not torchrun or SLURM
        end_with(int(rank_0))
    else:
        os.environ[RANK_0_VARIABLE] = str(os.getpid())


def end_with(parent: int) -> None:
    """End this process when its parent is gone, or now if it is already."""
    threading.Thread(target=_wait_and_end, args=(parent,), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)  # the main thread may hang in a collective
