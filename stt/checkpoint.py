"""Reads checkpoints safely: weights and plain values, no code, nothing damaged."""

from __future__ import annotations

import math
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stt.errors import InputError


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read the full contents of a checkpoint, on the CPU.

    Raises:
        InputError: the file is missing, corrupt, or contains anything but tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: checkpoint not found")
    check_intact(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # about archive formats that are rejected or read anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own message advises loading it unsafely
        raise InputError(
            f"{path}: not a checkpoint of this project: it contains more than weights and plain values, or is corrupt"
        ) from error
    except Exception as error:  # the zip and pickle readers raise many kinds of exceptions
        raise InputError(f"{path}: not a checkpoint of this project ({type(error).__name__})") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path}: not a checkpoint of this project: it contains no named entries")
    return content


def check_intact(path: Path) -> None:
    """Compare a checkpoint with the checksums in it: torch writes one for each tensor, but does not check them.

    Raises:
        InputError: the file has changed since it was written.
    """
    # Another format, or not a checkpoint at all, is reported by `torch.load`.
    if zipfile.is_zipfile(path) and not is_intact(path):
        raise InputError(f"{path}: the checkpoint is damaged, its checksums do not match; copy or download it again")


def is_intact(path: Path) -> bool:
    """Return whether a file is an archive, as torch writes it, whose contents match their checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # a corrupt archive can raise anything
        return False


def check_weights(module: nn.Module) -> None:
    """Check that every weight of a module is a finite number.

    Raises:
        InputError: one is not.
    """
    for name, weight in module.named_parameters():
        if not math.isfinite(weight.detach().sum(dtype=torch.float32)):  # several times faster than torch.isfinite
            raise InputError(f"its weights are not finite numbers ({name}): use an earlier checkpoint")
