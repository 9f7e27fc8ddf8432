"""Reading checkpoints, whoever made them: weights and plain values, and no code is run."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from stt.errors import InputError


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Read everything that a checkpoint holds, on the CPU.

    Raises:
        InputError: the file is missing, damaged, or holds anything but tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such checkpoint")
    try:
        with warnings.catch_warnings(action="ignore"):  # of archives and protocols that are refused or read anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words advise to load it unsafely
        raise InputError(
            f"{path}: not a checkpoint of this project: it holds more than weights and plain values, or is damaged"
        ) from error
    except Exception as error:  # the readers of zip files and of pickles raise many kinds
        raise InputError(f"{path}: not a checkpoint of this project ({type(error).__name__})") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path}: not a checkpoint of this project: it holds no named parts")
    return content
