"""The length of a training in batches."""

from __future__ import annotations

import logging
import math

from lightning import Trainer

log = logging.getLogger(__name__)


def num_batches(trainer: Trainer, batches_per_epoch: int) -> int | None:
    """Return how many batches each rank trains on in all, None if neither steps nor epochs are limited.

    A warning says if the last steps will not be validated.
    """
    limit = trainer.limit_train_batches
    per_epoch = min(batches_per_epoch, limit) if isinstance(limit, int) else int(batches_per_epoch * limit)
    per_epoch = max(1, per_epoch)
    # The last step of an epoch may have fewer batches than the others.
    steps_per_epoch = math.ceil(per_epoch / trainer.accumulate_grad_batches)
    limits = []
    if trainer.max_steps > 0:
        epochs, steps = divmod(trainer.max_steps, steps_per_epoch)
        limits.append(epochs * per_epoch + steps * trainer.accumulate_grad_batches)
        if steps:
            log.warning(
                "trainer.max_steps (%d) is not a multiple of an epoch's %d steps: the last steps will not be validated",
                trainer.max_steps,
                steps_per_epoch,
            )
    if trainer.max_epochs and trainer.max_epochs > 0:
        limits.append(trainer.max_epochs * per_epoch)
    return min(limits, default=None)
