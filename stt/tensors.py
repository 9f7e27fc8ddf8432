"""Length masks, and asynchronous copies between host and device."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a host tensor to a device asynchronously (from pinned memory, if the device is a GPU)."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class HostCopy:
    """An asynchronous copy of a tensor to the host.

    Reading it waits for this copy alone. A copy started only when it is read would wait
    for everything queued on the device in the meantime, including the next step.
    """

    def __init__(self, tensor: Tensor) -> None:
        """Start the copy; a tensor already on the host is kept as it is."""
        self._tensor = tensor
        self._done: torch.cuda.Event | None = None
        if tensor.is_cuda:
            self._tensor = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._tensor.copy_(tensor, non_blocking=True)
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._done.record()

    def read(self) -> Tensor:
        """Return the tensor on the host, once the copy is complete."""
        if self._done is not None:
            self._done.synchronize()
        return self._tensor


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """Return a boolean mask (batch, size), true at positions within the `lengths` (batch,)."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)
