"""Load a model for inference, from a checkpoint or from an exported folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stt.errors import InputError

if TYPE_CHECKING:  # torch, and ONNX Runtime: only one of them need be installed
    from stt.inference.exported import ExportedRecognizer
    from stt.recognition.recognizer import Recognizer


def load(path: Path | str, device: str | None = "cpu", threads: int | None = None) -> Recognizer | ExportedRecognizer:
    """Load a recognizer for inference: a checkpoint as `Recognizer.load`, or a folder that `stt export` wrote.

    Args:
        path: a checkpoint, or an exported folder, which needs no torch.
        device: device of a checkpoint, such as "cuda:0"; None: a GPU if there is one. Exports run on the CPU.
        threads: CPU threads of the network (of everything in torch, for a checkpoint); None: one per core.

    Raises:
        InputError: the file or folder is missing, damaged, or of another project or version; a class is not
            registered, or the device cannot be used.

    Example:
        >>> import stt
        >>> stt.load("model.ckpt").transcribe("speech.wav").text
        'a bad cab'
    """
    if Path(path).is_dir():
        if device not in (None, "cpu"):
            raise InputError(f"{path}: an export runs on the CPU, not on {device}: use the checkpoint")
        from stt.inference.exported import ExportedRecognizer  # imported here: each brings libraries of its own

        return ExportedRecognizer.load(path, threads)
    import torch

    from stt.recognition.recognizer import Recognizer, default_device

    if threads:
        torch.set_num_threads(threads)
    return Recognizer.load(path, device or default_device())
