"""Monitors forgetting in fine-tuning: the CER of each old domain compared with the parent checkpoint."""

from __future__ import annotations

import logging
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from stt.errors import InputError
from stt.runs.metric_names import BEST_CER, FORGETTING, GATED_CER, VALIDATION_CER, WORST
from stt.training.callbacks.access import is_short_sanity_check, model_of, validate_before_training

log = logging.getLogger(__name__)


class ForgettingGate(Callback):
    """Logs how much the CER of old domains has risen, and a metric that selects checkpoints without forgetting.

    Old domains are the training domains of `model.init_from` that are validated in this run; their baseline is the
    validation before the first step. `forgetting/cer/<domain>` is the change from the baseline, `forgetting/cer/worst`
    the largest change. The metric `under_limit`, for checkpoints to monitor, is the mean CER over all domains if no
    old one has risen by more than the limit, and otherwise 1 plus the excess over the limit.
    """

    def __init__(self, limit: float = 0.01, stop: bool = False) -> None:
        """Set the limit.

        Args:
            limit: how much the CER of an old domain may rise (0.01 is one percentage point).
            stop: whether to stop training when the limit is exceeded.
        """
        self.limit = limit
        self.stop = stop
        self.parent: dict[str, float] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Request a baseline validation of the parent, unless training is resumed."""
        if model_of(pl_module).parent_domains and not trainer.ckpt_path and not trainer.global_step:
            self.parent = {}
            validate_before_training(trainer)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the parent's CERs before training; afterwards, compare with them.

        Raises:
            InputError: an old domain is validated that has no baseline.
        """
        old = model_of(pl_module).parent_domains
        if trainer.state.fn != TrainerFn.FITTING or not old or is_short_sanity_check(trainer):
            return
        names = {domain: f"{VALIDATION_CER}/{domain}" for domain in old}
        cers = {
            d: float(trainer.callback_metrics[name]) for d, name in names.items() if name in trainer.callback_metrics
        }
        if trainer.sanity_checking:
            self.parent = cers
            unwatched = [domain for domain in old if domain not in cers]
            if unwatched:
                log.warning(
                    "the checkpoint was trained on %s too, which --data.validate has not: forgetting it would not be "
                    "noticed",
                    ", ".join(unwatched),
                )
        elif set(cers) - set(self.parent):
            raise InputError(
                f"the CER of {', '.join(sorted(set(cers) - set(self.parent)))} was not measured before training, so "
                "forgetting cannot be measured: validate the same domains as then, or start a new run"
            )
        elif cers:
            self._compare(trainer, pl_module, cers)
        else:  # without old domains there is no limit to apply
            pl_module.log(GATED_CER, trainer.callback_metrics[BEST_CER])

    def _compare(self, trainer: Trainer, pl_module: LightningModule, cers: dict[str, float]) -> None:
        rises = {domain: cer - self.parent[domain] for domain, cer in cers.items()}
        worst = max(rises, key=lambda domain: rises[domain])
        excess = rises[worst] - self.limit
        mean = float(trainer.callback_metrics[BEST_CER])
        metrics = {f"{FORGETTING}/{domain}": rise for domain, rise in rises.items()}
        metrics[f"{FORGETTING}/{WORST}"] = rises[worst]
        metrics[GATED_CER] = mean if excess <= 0 else 1 + excess
        pl_module.log_dict(metrics)
        if excess > 0:
            log.warning(
                "step %d: the CER of the old domain %s has risen by %.1f points, %.1f above the limit%s",
                trainer.global_step,
                worst,
                100 * rises[worst],
                100 * excess,
                "; stopping training" if self.stop else "",
            )
            trainer.should_stop |= self.stop

    def state_dict(self) -> dict[str, Any]:
        """Return the parent's CERs."""
        return {"parent": self.parent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the parent's CERs."""
        self.parent = state_dict["parent"]
