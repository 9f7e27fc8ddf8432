"""Padded tensors, and copies between the host and the device that the training step does not wait for."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the host to the device without waiting: from pinned memory, where there is a device."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class HostCopy:
    """A tensor on its way to the host.

    Reading it waits for this copy alone. A copy that is started only when it is read would wait
    for everything that was queued on the device meanwhile, the next step included.
    """

    def __init__(self, tensor: Tensor) -> None:
        """Start the copy; a tensor that is on the host already is kept as it is."""
        self._tensor = tensor
        self._done: torch.cuda.Event | None = None
        if tensor.is_cuda:
            self._tensor = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._tensor.copy_(tensor, non_blocking=True)
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._done.record()

    def read(self) -> Tensor:
        """Give the tensor on the host."""
        if self._done is not None:
            self._done.synchronize()
        return self._tensor


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """Boolean mask (batch, size), true where a position lies inside its sequence of `lengths` (batch,)."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)
