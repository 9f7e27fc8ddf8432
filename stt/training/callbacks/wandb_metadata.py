"""Sends metadata to W&B: chart axes, the origin of the run, the best model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning import Callback, LightningModule, Trainer

from stt.runs.metric_names import AUDIO_HOURS, BEST_CER, DECODED, DEVICE_HOURS, EVERY_DOMAIN, PASSES, domain_metric_name
from stt.training.callbacks.access import Model, data_of, model_of
from stt.training.datamodule import SpeechDataModule
from stt.training.tracking.provenance import ROOT, code_of, commit_of, data_card, model_card
from stt.training.tracking.wandb_logger import wandb_of

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)
AXES = (AUDIO_HOURS, DEVICE_HOURS, PASSES)


class WandbMetadata(Callback):
    """Sends metadata of the run to W&B; does nothing without W&B.

    Chart axes (`define_metric`), the commit, the code with its lockfile, the data (hashes, hours by domain), the
    parent model, and finally the best checkpoint as an artifact that refers to all of these.
    """

    def __init__(self, log_model: bool = True) -> None:
        """Configure the upload.

        Args:
            log_model: whether to upload the best checkpoint to W&B.
        """
        self.log_model = log_model
        self._origin: dict[str, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Define the axes."""
        logger = wandb_of(trainer.loggers)
        if logger:
            metrics = [metric.name for metric in model_of(pl_module).metrics]
            logger.attempt(lambda run: _define_axes(run, metrics))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Send the origin of the run."""
        logger = wandb_of(trainer.loggers)
        if not logger or not trainer.is_global_zero:
            return
        model, data = model_of(pl_module), data_of(trainer)
        logger.attempt(lambda run: self._send_origin(run, model, data))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Upload the best checkpoint."""
        logger = wandb_of(trainer.loggers)
        best = getattr(trainer.checkpoint_callback, "best_model_path", "")
        if not (self.log_model and logger and trainer.is_global_zero and best):
            return
        score = trainer.checkpoint_callback.best_model_score  # type: ignore[union-attr]
        metadata = {
            **self._origin,
            BEST_CER: None if score is None else float(score),
            "train_domains": model_of(pl_module).recognizer.train_domains,
        }
        logger.attempt(lambda run: _send_model(run, Path(best), metadata))

    def _send_origin(self, run: wandb.Run, model: Model, datamodule: SpeechDataModule) -> None:
        import wandb  # optional: never reached without it

        parent = model.init_from
        self._origin = {
            "git": commit_of(ROOT),
            "data": {split: data_card(dataset.manifest) for split, dataset in datamodule.datasets.items()},
            "init_from": model_card(Path(parent), model.parent_domains) if parent else None,
        }
        run.config.update({"origin": self._origin}, allow_val_change=True)  # type: ignore[no-untyped-call]
        code = wandb.Artifact(f"code-{run.project}", type="code")
        for file in code_of(ROOT):
            code.add_file(str(file), name=str(file.relative_to(ROOT)))
        run.log_artifact(code)
        if run.offline:  # inputs can only be declared online
            return
        for split, card in self._origin["data"].items():
            run.use_artifact(wandb.Artifact(f"{run.project}-{split}", type="dataset", metadata=card))
        parent_run = (self._origin["init_from"] or {}).get("wandb_run")
        if parent_run:
            try:
                run.use_artifact(f"model-{parent_run}:best")
            except Exception as error:
                log.warning("W&B has no model of the parent run %s: %s", parent_run, error)


def _define_axes(run: wandb.Run, metrics: Sequence[str]) -> None:
    for axis in AXES:
        run.define_metric(axis)
    for name in (*metrics, *(f"{metric}{DECODED}" for metric in metrics)):
        run.define_metric(domain_metric_name("validate", name, EVERY_DOMAIN), step_metric=DEVICE_HOURS, summary="min")


def _send_model(run: wandb.Run, checkpoint: Path, metadata: dict[str, Any]) -> None:
    import wandb  # optional: never reached without it

    model = wandb.Artifact(f"model-{run.id}", type="model", metadata=metadata)
    model.add_file(str(checkpoint))
    run.log_artifact(model, aliases=["best"])
