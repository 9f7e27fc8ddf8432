"""Arrays in nested state, which a checkpoint must hold as tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def to_tensors(state: Any) -> Any:
    """Convert arrays in nested plain values to tensors, which can be loaded with `weights_only=True`."""
    return _map_leaves(state, np.ndarray, lambda array: torch.from_numpy(array.copy()))


def to_arrays(state: Any) -> Any:
    """Convert tensors in nested plain values back to arrays."""
    return _map_leaves(state, torch.Tensor, lambda tensor: tensor.numpy())


def _map_leaves(value: Any, kind: type, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, kind):
        return convert(value)
    if isinstance(value, dict):
        return {key: _map_leaves(item, kind, convert) for key, item in value.items()}
    return [_map_leaves(item, kind, convert) for item in value] if isinstance(value, list) else value
