"""Prints the outputs of a run when training ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stt.runs.folder import RunFolder
from stt.training.callbacks.access import folder_of
from stt.training.tracking.wandb_logger import wandb_of


class OutputSummary(Callback):
    """Prints a table of the run's output files and the commands that use them."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table."""
        run, log_dir = folder_of(trainer), trainer.log_dir  # log_dir is a collective call: all ranks must make it
        if not trainer.is_global_zero or not trainer.loggers:
            return
        table = Table(title=f"{trainer.global_step} steps", show_header=False, title_justify="left")
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for label, location in _rows(trainer, run, Path(log_dir or run.path)):
            table.add_row(label, escape(location))
        Console().print(table, highlight=False)


def _rows(trainer: Trainer, run: RunFolder, log_dir: Path) -> list[tuple[str, str]]:
    rows = []
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    score = getattr(trainer.checkpoint_callback, "best_model_score", None)
    if best:
        monitor = trainer.checkpoint_callback.monitor  # type: ignore[union-attr]
        rows.append((f"best checkpoint{'' if score is None else f' ({monitor} {float(score):.4f})'}", best))
    for label, path in (
        ("last checkpoint", run.last),
        ("configuration", run.config),
        ("metrics", log_dir / "metrics.csv"),
        ("sample transcripts", run.transcripts),
        ("all transcripts of the last validation", run.recognized("validate")),
        ("skipped utterances", run.skipped(trainer.global_rank, trainer.world_size)),
    ):
        if path.exists():
            rows.append((label, str(path)))
    rows += _wandb(trainer, run)
    rows.append(("to create a report", f"stt report {run.path} --out {run.path / 'report.html'}"))
    return rows


def _wandb(trainer: Trainer, run: RunFolder) -> list[tuple[str, str]]:
    logger = wandb_of(trainer.loggers)
    if logger is None or logger.failed:
        return []
    runs: list[Any] = []
    logger.attempt(runs.append)
    if not runs or runs[0].disabled:
        return []
    if runs[0].offline:
        return [("W&B (offline), to upload", f"wandb sync {run.wandb_offline_runs}")]
    return [("W&B", str(runs[0].url))]
