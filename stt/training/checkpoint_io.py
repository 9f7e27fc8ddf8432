"""Writing checkpoints so that a crash or a full disk at any moment leaves the previous one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.fabric.plugins import TorchCheckpointIO

from stt.audio.source import is_remote
from stt.checkpoint import check_intact, is_intact
from stt.errors import reason
from stt.files import WriteError, atomic_write


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint next to the previous one, reads it back, and only then replaces the previous one.

    Lightning writes to the system's temporary folder and moves the file, which is a copy in place if the run folder
    is on another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Path | str, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            WriteError: the file system is full, or what it stored cannot be read back.
        """
        if is_remote(str(path)):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        with atomic_write(path) as temporary:
            try:
                torch.save(checkpoint, temporary)
            except RuntimeError as error:  # how torch's writer reports a full disk
                raise WriteError(f"{path} cannot be written ({reason(error)}); the previous one is kept") from error
            if not is_intact(temporary):
                raise WriteError(f"{path} cannot be written: it is corrupt on disk; the previous one is kept")

    def load_checkpoint(self, path: Path | str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            InputError: the file is damaged.
        """
        if not is_remote(str(path)):
            check_intact(Path(path))
        return super().load_checkpoint(path, *args, **kwargs)


def write_checkpoints_atomically(trainer: Trainer) -> None:
    """Use `AtomicCheckpointIO` unless the Trainer was given a checkpoint plugin."""
    if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
        trainer.strategy.checkpoint_io = AtomicCheckpointIO()
