"""Watches what fine-tuning forgets: each old domain's CER against that of the checkpoint it began with."""

from __future__ import annotations

import logging
from typing import Any, cast

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from stt.task import SpeechRecognizer

log = logging.getLogger(__name__)
CER = "val/cer/"


class ForgettingGate(Callback):
    """Logs by how much the CER of old domains has risen, and tells apart what may be called the best.

    Old domains are those that the checkpoint of `model.init_from` was trained on and that are validated
    now. `forgetting/cer/<domain>` is the change against that checkpoint, `forgetting/cer/worst` the
    largest. `val/cer/under_limit`, for a checkpoint to watch, is the mean CER over all domains
    while no old one has risen by more than the limit; else 1 and what is above the limit.
    """

    def __init__(self, limit: float = 0.01, stop: bool = False) -> None:
        """Set how much an old domain's CER may rise (0.01 is a percentage point), and whether training stops there."""
        self.limit = limit
        self.stop = stop
        self.parent: dict[str, float] = {}

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take down what the parent could do, before training; then compare with it."""
        old = cast(SpeechRecognizer, pl_module).parent_domains
        names = {domain: f"{CER}{domain}" for domain in old if f"{CER}{domain}" in trainer.callback_metrics}
        cers = {domain: float(trainer.callback_metrics[name]) for domain, name in names.items()}
        if trainer.state.fn == TrainerFn.VALIDATING:
            self.parent = cers
        elif trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking and old:
            if self.parent:
                self._compare(trainer, pl_module, cers)
            else:  # no old domain is validated, so none can be seen to be forgotten
                pl_module.log(f"{CER}under_limit", trainer.callback_metrics[f"{CER}mean"])

    def _compare(self, trainer: Trainer, pl_module: LightningModule, cers: dict[str, float]) -> None:
        rises = {domain: cers[domain] - before for domain, before in self.parent.items() if domain in cers}
        worst = max(rises, key=lambda domain: rises[domain])
        above = rises[worst] - self.limit
        mean = float(trainer.callback_metrics[f"{CER}mean"])
        metrics = {f"forgetting/cer/{domain}": rise for domain, rise in rises.items()}
        metrics["forgetting/cer/worst"] = rises[worst]
        metrics[f"{CER}under_limit"] = mean if above <= 0 else 1 + above
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
