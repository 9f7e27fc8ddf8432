"""The optimizer Muon for the matrices of a network, and AdamW for everything else, in one optimizer."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

MIN_SIDE = 16  # of a matrix: depthwise kernels have no directions to balance
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of a quintic whose iteration draws singular values to about 1 fastest
ITERATIONS = 5
ADAMW_RMS = 0.2  # root mean square of a typical update of AdamW, in learning rates


class Muon(Optimizer):
    """Orthogonalizes the momentum of each matrix, so that an update moves all of its directions by the same amount.

    Scales, biases and depthwise kernels are updated by AdamW. Kernels of pointwise convolutions count as matrices.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the size of the updates
    from Liu et al., "Muon is Scalable for LLM Training", 2025. torch.optim.Muon takes nothing but matrices, one at a
    time, and Lightning steps one optimizer.
    """

    found_inf: Tensor | None  # 1 if the step must be skipped, else 0; set by clipping or a GradScaler
    grad_scale: Tensor | None  # of gradients that a GradScaler has not unscaled yet

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 4e-3,
        adamw_lr: float = 1.5e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        adamw_betas: tuple[float, float] = (0.9, 0.98),
        adamw_eps: float = 1e-8,
    ) -> None:
        """Split the parameters into those of Muon and those of AdamW.

        Arguments of AdamW have names of their own: a configuration that names another optimizer keeps values of the
        same name.

        Args:
            params: parameters, or groups of them with options of their own.
            lr: learning rate of matrices; updates have the size of AdamW's at the same rate.
            adamw_lr: learning rate of all other parameters.
            momentum: decay of the matrices' momentum per step.
            weight_decay: decay of weights per step and learning rate.
            adamw_betas: decays of AdamW's averages of gradients and their squares, per step.
            adamw_eps: added to AdamW's denominators.

        Raises:
            ValueError: a number is out of range.
        """
        if not (0 <= lr < math.inf and 0 <= adamw_lr < math.inf):
            raise ValueError(f"learning rates must be at least 0, not {lr} and {adamw_lr}")
        if not all(0 <= decay < 1 for decay in (momentum, *adamw_betas)):
            raise ValueError(f"momentum and betas must be at least 0 and less than 1, not {momentum} and {adamw_betas}")
        if not (0 <= weight_decay < math.inf and 0 < adamw_eps < math.inf):
            raise ValueError(f"weight_decay must be at least 0 and eps more than 0, not {weight_decay} and {adamw_eps}")
        groups = []
        for group in _groups(params):
            for matrices in (True, False):
                chosen = [parameter for parameter in group["params"] if is_matrix(parameter) == matrices]
                if chosen:
                    rate = {} if matrices else {"lr": group.get("adamw_lr", adamw_lr)}
                    groups.append({**group, **rate, "params": chosen, "matrices": matrices})
        options: dict[str, Any] = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        options |= {"betas": adamw_betas, "eps": adamw_eps}
        super().__init__(groups, options)
        # Steps are skipped by a flag on the device, as by torch's fused optimizers, so that the host need not wait.
        self._step_supports_amp_scaling = True

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all parameters that have a gradient, or none of them where `found_inf` is 1."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if parameters:
                (self._update_matrices if group["matrices"] else self._update_others)(parameters, group)
        return loss

    def _update_matrices(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        scale, skipped = self._flags()
        taken = 1.0 if skipped is None else 1 - skipped
        by_shape = defaultdict(list)
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            by_shape[parameter.shape].append(parameter)
        torch._foreach_mul_(parameters, 1 - taken * group["lr"] * group["weight_decay"])
        for shape, same in by_shape.items():
            # Together, so that a GPU starts few kernels.
            gradients = torch.stack([parameter.grad.flatten(1) for parameter in same if parameter.grad is not None])
            if scale is not None:
                gradients = gradients / scale
            if skipped is not None:
                gradients = torch.where(skipped > 0, 0.0, gradients)
            momenta = torch.stack([self.state[parameter]["momentum"].flatten(1) for parameter in same])
            momenta.mul_(1 - taken * (1 - group["momentum"])).add_(gradients)
            updates = taken * orthogonalize(gradients.add(momenta, alpha=group["momentum"]))
            size = ADAMW_RMS * math.sqrt(max(updates.shape[1:]))
            for parameter, momentum, update in zip(same, momenta, updates, strict=True):
                self.state[parameter]["momentum"].copy_(momentum.view(shape))
                parameter.add_(update.view(shape), alpha=-group["lr"] * size)

    def _flags(self) -> tuple[Tensor | None, Tensor | None]:
        """Return `grad_scale` and `found_inf`, which a GradScaler sets for a step and then deletes."""
        return getattr(self, "grad_scale", None), getattr(self, "found_inf", None)

    def _update_others(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state |= {name: torch.zeros_like(parameter) for name in ("average", "average_square")}
                state["step"] = torch.zeros((), device=parameter.device)
            state["step"] = state["step"].to(parameter.device)  # torch and Lightning restore it to the host
        states = [self.state[parameter] for parameter in parameters]
        scale, skipped = self._flags()
        adamw(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["average"] for state in states],
            [state["average_square"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            grad_scale=scale,
            found_inf=skipped,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def is_matrix(parameter: Tensor) -> bool:
    """Return whether Muon updates a parameter: both sides of its matrix (out, in * kernel) are long enough."""
    return parameter.ndim > 1 and min(parameter.shape[0], parameter[0].numel()) >= MIN_SIDE


def orthogonalize(matrices: Tensor) -> Tensor:
    """Set the singular values of matrices (matrix, row, column) to about 1, in the dtype of the matrices.

    The Newton-Schulz iteration runs in bfloat16: its errors are smaller than what the iteration leaves.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def _groups(params: Iterable[Any]) -> list[dict[str, Any]]:
    listed = list(params)
    return [dict(one) for one in listed] if listed and isinstance(listed[0], dict) else [{"params": listed}]
