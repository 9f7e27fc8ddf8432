"""Gradient clipping that logs its effect and cost, and skips steps with non-finite gradients.

In (Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text") clipping took 25-40 % of the batch time;
one fused norm over all parameters (`foreach`), without a host read, takes a few percent, which is logged.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from stt.errors import InputError
from stt.runs.metric_names import CLIP_LIMIT, CLIP_NORM, CLIP_TIME, CLIPPED, SKIPPED_STEPS
from stt.tensors import HostCopy
from stt.training.precision import unscale_gradients

log = logging.getLogger(__name__)


class GradientClipping(Callback):
    """Clip the total gradient norm to a fixed value; skip steps whose gradient is not finite.

    Logs `clip/norm`, `clip/limit`, `clip/share_clipped`, `clip/skipped_steps` and `clip/time_share`
    (host time of clipping over that of the step). Counts lag one step behind, so that the host does
    not wait for the device.
    """

    def __init__(self, max_norm: float = 1.0) -> None:
        """Set the limit.

        Args:
            max_norm: maximum gradient norm, more than 0 and at most 1e30.

        Raises:
            InputError: it is out of range.
        """
        if not 0 < max_norm <= 1e30:  # not a number is out of range, too; float32 must hold it
            raise InputError(f"the maximum gradient norm must be more than 0 and at most 1e30, not {max_norm:g}")
        self.max_norm = max_norm
        self.steps = 0
        self.clipped = 0
        self.skipped = 0
        self._seconds = 0.0
        self._started = time.perf_counter()
        self._previous: tuple[int, HostCopy] | None = None

    def limit(self, norm: Tensor) -> Tensor:
        """Return the maximum norm for this step, given its actual norm; both are scalars on the device."""
        return torch.full_like(norm, self.max_norm)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start timing the step."""
        self._started = time.perf_counter()
        self._seconds = 0.0

    @torch.no_grad()
    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Compute the norm, then clip or skip; runs after unscaling, once per optimizer step."""
        started = time.perf_counter()
        scaled = unscale_gradients(trainer, optimizer)
        parameters = [p for p in pl_module.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None], foreach=True)
        limit = self.limit(norm)
        if not scaled:  # a gradient scaler skips the step itself
            skip_if_not_finite(optimizer, norm, parameters)
        torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm, foreach=True)  # type: ignore[arg-type]
        self._count()
        self._previous = (trainer.global_step, HostCopy(torch.stack([norm, limit])))
        pl_module.log_dict({CLIP_NORM: norm, CLIP_LIMIT: limit})
        self._seconds += time.perf_counter() - started

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the counters, as tensors on the host: Lightning would copy numbers to the device and wait for it."""
        figures = {
            CLIPPED: self.clipped / max(self.steps, 1),
            SKIPPED_STEPS: self.skipped,
            CLIP_TIME: self._seconds / max(time.perf_counter() - self._started, 1e-9),
        }
        pl_module.log_dict({name: torch.tensor(float(value)) for name, value in figures.items()})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the last step."""
        self._count()

    def _count(self) -> None:
        """Count the previous step, whose norm has been copied to the host by now."""
        if self._previous is None:
            return
        step, copy = self._previous
        self._previous = None
        norm, limit = copy.read().tolist()
        self.steps += 1
        if not math.isfinite(norm):
            self.skipped += 1
            log.warning("step %d is skipped: the gradient is not finite", step)
        else:
            self.clipped += norm > limit

    def state_dict(self) -> dict[str, Any]:
        """Return the counters."""
        self._count()
        return {"steps": self.steps, "clipped": self.clipped, "skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counters."""
        self.steps, self.clipped, self.skipped = (state_dict[key] for key in ("steps", "clipped", "skipped"))


class PercentileClipping(GradientClipping):
    """Clip to a percentile of recent gradient norms, so that the limit adapts during training.

    Source: Seetharaman et al., "AutoClip: Adaptive Gradient Clipping", 2020.
    """

    def __init__(self, percentile: float = 90.0, window: int = 1000) -> None:
        """Set the limit.

        Args:
            percentile: percentile (0..100) of recent norms to clip to.
            window: number of recent steps.
        """
        super().__init__()
        self.percentile = percentile
        self._norms = torch.full((window,), torch.nan)  # ring buffer; NaN: no step yet, or not finite
        self._index = 0

    def limit(self, norm: Tensor) -> Tensor:
        """Return the percentile of the norms so far, including this one."""
        self._norms = self._norms.to(norm.device)
        self._norms[self._index] = torch.where(norm.isfinite(), norm, torch.nan)
        self._index = (self._index + 1) % len(self._norms)
        return torch.nanquantile(self._norms, self.percentile / 100)

    def state_dict(self) -> dict[str, Any]:
        """Return the counters and norms."""
        return {**super().state_dict(), "norms": self._norms.cpu(), "index": self._index}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counters and norms."""
        super().load_state_dict(state_dict)
        self._norms, self._index = state_dict["norms"], state_dict["index"]


def skip_if_not_finite(optimizer: Optimizer, norm: Tensor, parameters: list[torch.nn.Parameter]) -> None:
    """Make the optimizer skip this step if the norm is not finite, keeping parameters and moments.

    Ranks agree, because DDP has already averaged the gradients. Fused optimizers read the flag on the
    device, as they do with a gradient scaler; for others the host drops the gradients, which waits for
    the device.
    """
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
    elif not norm.isfinite():
        for parameter in parameters:
            parameter.grad = None
