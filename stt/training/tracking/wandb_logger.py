"""A W&B logger that cannot stop a training."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)
P = ParamSpec("P")


def tolerated(
    method: Callable[Concatenate[TolerantWandbLogger, P], None],
) -> Callable[Concatenate[TolerantWandbLogger, P], None]:
    """Make a method of the logger say what went wrong, once, and then keep quiet for the rest of the run."""

    @functools.wraps(method)
    def guarded(self: TolerantWandbLogger, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.failed or getattr(rank_zero_only, "rank", 0) != 0:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # wandb raises many kinds, and none of them is worth a training
            self.failed = True
            log.warning("W&B is left out from here on: %s: %s; the CSV log goes on", type(error).__name__, error)

    return guarded


class TolerantWandbLogger(WandbLogger):
    """Lightning's logger; where W&B fails, the run goes on without it.

    A run that cannot be started online (no network, a wrong key) is kept offline, to be synced later.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Take the arguments of `WandbLogger`; those of `wandb.init` among them."""
        super().__init__(**kwargs)
        self.failed = False

    @property
    def experiment(self) -> Any:
        """The W&B run, begun when first asked for; one that swallows everything where W&B does not work at all."""
        import wandb  # an extra: without it there is no such logger

        if self._experiment is None and wandb.run is not None and wandb.run.id != self._wandb_init.get("id"):
            wandb.finish()  # of a training before this one in the process: W&B would go on with it
        for mode in ("offline", "disabled"):
            try:
                return super().experiment
            except Exception as error:
                log.warning("W&B cannot start (%s: %s): trying mode %s", type(error).__name__, error, mode)
                wandb.teardown()  # else its service holds on to the run
                self._wandb_init["mode"] = mode
        return super().experiment

    @tolerated
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log numbers, or W&B's objects, at an optimizer step."""
        super().log_metrics(metrics, step)

    @tolerated
    def log_hyperparams(self, params: Any) -> None:
        """Add to the configuration."""
        super().log_hyperparams(params)

    @tolerated
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Note a checkpoint."""
        super().after_save_checkpoint(checkpoint_callback)

    @tolerated
    def finalize(self, status: str) -> None:
        """End what Lightning wants ended."""
        super().finalize(status)

    @tolerated
    def attempt(self, action: Callable[[wandb.Run], object]) -> None:
        """Do something with the W&B run."""
        action(self.experiment)


def wandb_of(loggers: list[Any]) -> TolerantWandbLogger | None:
    """Find the W&B logger among those of a trainer."""
    return next((logger for logger in loggers if isinstance(logger, TolerantWandbLogger)), None)
