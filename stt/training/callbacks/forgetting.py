"""Watches what fine-tuning forgets: each old domain's CER against that of the checkpoint it began with."""

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
    """Logs by how much the CER of old domains has risen, and tells apart what may be called the best.

    Old domains are those that the checkpoint of `model.init_from` was trained on and that are validated now; what it
    could do is measured by the validation before the first step. `forgetting/cer/<domain>` is the change against that,
    `forgetting/cer/worst` the largest. The metric `under_limit`, for a checkpoint to watch, is the mean CER over all
    domains while no old one has risen by more than the limit; else 1 and what is above the limit.
    """

    def __init__(self, limit: float = 0.01, stop: bool = False) -> None:
        """Set how much an old domain's CER may rise (0.01 is a percentage point), and whether training stops there."""
        self.limit = limit
        self.stop = stop
        self.parent: dict[str, float] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let what the parent can do be measured, where that is not known yet."""
        if model_of(pl_module).parent_domains and not trainer.ckpt_path and not trainer.global_step:
            self.parent = {}
            validate_before_training(trainer)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take down what the parent can do, before training; then compare with it.

        Raises:
            InputError: an old domain is validated, and nobody knows what its CER was.
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
        elif set(cers) - set(self.parent):
            raise InputError(
                f"the CER of {', '.join(sorted(set(cers) - set(self.parent)))} was not measured before training, so "
                "nobody can tell what is forgotten: validate what was validated then, or start a new run"
            )
        elif cers:
            self._compare(trainer, pl_module, cers)
        else:  # no old domain is validated, so none can be seen to be forgotten
            pl_module.log(GATED_CER, trainer.callback_metrics[BEST_CER])

    def _compare(self, trainer: Trainer, pl_module: LightningModule, cers: dict[str, float]) -> None:
        rises = {domain: cer - self.parent[domain] for domain, cer in cers.items()}
        worst = max(rises, key=lambda domain: rises[domain])
        above = rises[worst] - self.limit
        mean = float(trainer.callback_metrics[BEST_CER])
        metrics = {f"{FORGETTING}/{domain}": rise for domain, rise in rises.items()}
        metrics[f"{FORGETTING}/{WORST}"] = rises[worst]
        metrics[GATED_CER] = mean if above <= 0 else 1 + above
        pl_module.log_dict(metrics)
        if above > 0:
            log.warning(
                "step %d: the CER of %s, an old domain, has risen by %.1f points, %.1f more than the limit%s",
                trainer.global_step,
                worst,
                100 * rises[worst],
                100 * above,
                "; training stops" if self.stop else "",
            )
            trainer.should_stop |= self.stop

    def state_dict(self) -> dict[str, Any]:
        """What the parent could do, for a checkpoint."""
        return {"parent": self.parent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on comparing with it."""
        self.parent = state_dict["parent"]
