"""Loggers of a run: CSV always; W&B online where the user is logged in, offline otherwise, never a prompt."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from urllib.parse import urlparse

import wandb
from lightning.pytorch.loggers import CSVLogger, Logger, WandbLogger


def run_loggers(run: Path, project: str) -> list[Logger]:
    """Make the loggers of a run folder; every start gets a CSV file of its own, so that none is overwritten.

    The CSV logger comes first, because its folder is Lightning's `trainer.log_dir`.
    """
    run.mkdir(parents=True, exist_ok=True)
    return [
        CSVLogger(save_dir=run, name="logs"),
        WandbLogger(name=run.name, project=project, save_dir=run, offline=wandb_offline()),
    ]


def wandb_offline() -> bool:
    """Tell whether W&B must stay offline: the user has neither chosen a mode nor logged in."""
    if "WANDB_MODE" in os.environ or "WANDB_API_KEY" in os.environ:
        return False
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    try:
        return netrc.netrc(path).authenticators(host) is None
    except (OSError, netrc.NetrcParseError):
        return True


def finish_wandb() -> None:
    """End the W&B run of this process: the next training in it, in a notebook say, must not log into this one's."""
    if wandb.run is not None:
        wandb.finish()
