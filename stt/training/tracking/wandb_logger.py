"""A W&B logger whose failures do not stop training."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)
P = ParamSpec("P")


def tolerate_failures(
    method: Callable[Concatenate[TolerantWandbLogger, P], None],
) -> Callable[Concatenate[TolerantWandbLogger, P], None]:
    """Wrap a logger method: the first failure is logged, and W&B is disabled for the rest of the run."""

    @functools.wraps(method)
    def guarded(self: TolerantWandbLogger, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.failed or getattr(rank_zero_only, "rank", 0) != 0:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # wandb raises many types, none of which should stop training
            self.failed = True
            log.warning(
                "W&B logging is disabled after an error: %s: %s; the CSV log continues", type(error).__name__, error
            )

    return guarded


class TolerantWandbLogger(WandbLogger):
    """Lightning's W&B logger; if W&B fails, training continues without it.

    A run that cannot be started online (no network, a wrong key) is logged offline, to be synced later.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Pass all arguments, including those of `wandb.init`, to `WandbLogger`."""
        super().__init__(**kwargs)
        self.failed = False

    @property
    def experiment(self) -> Any:
        """The W&B run, started on first access; a disabled one if W&B does not work at all."""
        import wandb  # optional: without it this logger is not used

        if self._experiment is None and wandb.run is not None and wandb.run.id != self._wandb_init.get("id"):
            finish_wandb()  # the run of an earlier training in this process, which W&B would reuse
        for mode in ("offline", "disabled"):
            try:
                return super().experiment
            except Exception as error:
                log.warning("W&B failed to start (%s: %s): trying mode %s", type(error).__name__, error, mode)
                wandb.teardown()  # otherwise its service keeps the run
                self._wandb_init["mode"] = mode
        return super().experiment

    @tolerate_failures
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log numbers or W&B objects at an optimizer step."""
        super().log_metrics(metrics, step)

    @tolerate_failures
    def log_hyperparams(self, params: Any) -> None:
        """Add to the run configuration."""
        super().log_hyperparams(params)

    @tolerate_failures
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Register a checkpoint."""
        super().after_save_checkpoint(checkpoint_callback)

    @tolerate_failures
    def finalize(self, status: str) -> None:
        """Finalize Lightning's part of the run."""
        super().finalize(status)

    @tolerate_failures
    def attempt(self, action: Callable[[wandb.Run], object]) -> None:
        """Run an action on the W&B run."""
        action(self.experiment)


def wandb_of(loggers: list[Any]) -> TolerantWandbLogger | None:
    """Return the W&B logger of a trainer, or None."""
    return next((logger for logger in loggers if isinstance(logger, TolerantWandbLogger)), None)


def finish_wandb() -> None:
    """Finish the W&B run, so that the next training in this process, such as a notebook, does not log to it."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        try:
            wandb.finish()
        except Exception as error:  # its service is gone, say; that must not change how the training ends
            log.warning("W&B could not finish its run: %s: %s", type(error).__name__, error)
