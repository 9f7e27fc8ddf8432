"""Loggers of a run: always CSV; W&B online if the user is logged in, otherwise offline, never with a prompt."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import netrc
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from stt.runs.folder import RunFolder
from stt.training.tracking.wandb_logger import TolerantWandbLogger

log = logging.getLogger(__name__)
NAME = "logs"  # folder of the CSV files
_set_here: set[str] = set()  # values of DATA_VARIABLE set by this process and not by the user
DATA_VARIABLE = "WANDB_DATA_DIR"  # where W&B stages the files of tables and artifacts for upload


def with_run_loggers(given: Sequence[Logger], run: Path, project: str = "stt") -> list[Logger]:
    """Return the loggers of a run folder followed by a Trainer's own; a given W&B logger replaces the run's.

    Lightning's default logger is dropped.
    """
    others = [logger for logger in given if not _is_csv(logger, run, "lightning_logs")]
    if any(_is_csv(logger, run, NAME) for logger in others):
        return others
    kinds = WandbLogger if any(isinstance(logger, WandbLogger) for logger in others) else ()
    return [*(logger for logger in run_loggers(run, project) if not isinstance(logger, kinds)), *others]


def run_loggers(run: Path, project: str) -> list[Logger]:
    """Create the loggers of a run folder; every start writes a new CSV file, so that none is overwritten.

    The CSV logger comes first, because its folder is Lightning's `trainer.log_dir`. The W&B run ID is stored in the
    folder, so that resuming or testing a run logs to the same W&B run. Without wandb, or with `WANDB_MODE=disabled`,
    there is only the CSV logger: a disabled W&B run costs the import of wandb and its copies of what is logged.
    """
    run.mkdir(parents=True, exist_ok=True)
    csv = CSVLogger(save_dir=run, name=NAME)
    if os.environ.get("WANDB_MODE") == "disabled":
        return [csv]
    if importlib.util.find_spec("wandb") is None:
        log.warning("wandb is not installed (extra 'wandb'): metrics are only logged to %s", run / NAME)
        return [csv]
    if os.environ.get(DATA_VARIABLE) in {None, *_set_here}:
        os.environ[DATA_VARIABLE] = str(RunFolder(run).wandb_data.absolute())
        _set_here.add(os.environ[DATA_VARIABLE])
    mode = {"mode": "offline"} if wandb_offline() else {}
    wandb_logger = TolerantWandbLogger(name=run.name, project=project, save_dir=run, id=run_id(run), **mode)
    return [csv, wandb_logger]


def _is_csv(logger: Logger, run: Path, name: str) -> bool:
    files = isinstance(logger, CSVLogger | TensorBoardLogger)
    return files and logger.name == name and Path(str(logger.save_dir)) == run


def run_id(run: Path) -> str:
    """Return the W&B run ID of a run folder, creating it if needed."""
    path = RunFolder(run).wandb_id
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".run_id.{secrets.token_hex(4)}")
        temporary.write_text(secrets.token_hex(4) + "\n")
        with contextlib.suppress(FileExistsError):  # the first of several concurrent processes wins
            os.link(temporary, path)
        temporary.unlink()
    return path.read_text().strip()


def wandb_offline() -> bool:
    """Return whether W&B must stay offline: the user has neither chosen a mode nor logged in."""
    if "WANDB_MODE" in os.environ or "WANDB_API_KEY" in os.environ:
        return False
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    try:
        return netrc.netrc(path).authenticators(host) is None
    except (OSError, netrc.NetrcParseError):
        return True
