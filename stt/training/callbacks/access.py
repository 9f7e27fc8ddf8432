"""Typed access to the model, the data module and the run folder, for callbacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from lightning import LightningModule, Trainer

from stt.audio.augmentation.device import Augmentation
from stt.metrics.domain_metric import DomainMetric
from stt.recognition.recognizer import Recognizer
from stt.runs.folder import RunFolder
from stt.sampling import BatchStream
from stt.training.datamodule import SpeechDataModule


class Model(Protocol):
    """What callbacks use of the LightningModule."""

    recognizer: Recognizer
    augment: Augmentation
    metrics: Sequence[DomainMetric]  # computed for each domain
    init_from: str | None  # checkpoint whose weights initialize training
    parent_domains: list[str]  # training domains of that checkpoint
    compiled: bool
    judges_labels: bool  # whether a training step also returns losses for other utterances' labels


def model_of(pl_module: LightningModule) -> Model:
    """Return the model that is trained."""
    return cast(Model, pl_module)


def data_of(trainer: Trainer) -> SpeechDataModule:
    """Return the trainer's data module."""
    return cast(SpeechDataModule, trainer.datamodule)  # type: ignore[attr-defined]


def stream_of(trainer: Trainer) -> BatchStream:
    """Return the batch stream that training reads."""
    return cast(BatchStream, data_of(trainer).stream)


def folder_of(trainer: Trainer) -> RunFolder:
    """Return the run folder."""
    return RunFolder(Path(trainer.default_root_dir))


def is_short_sanity_check(trainer: Trainer) -> bool:
    """Return whether this is a sanity check on a few batches; on all of them it counts as the validation at step 0."""
    return trainer.sanity_checking and trainer.num_sanity_val_steps != math.inf


def is_trial(trainer: Trainer) -> bool:
    """Return whether an evaluation covers a few batches only to try the code, so that its results are not used."""
    return bool(trainer.fast_dev_run) or is_short_sanity_check(trainer)  # type: ignore[attr-defined]


def validate_before_training(trainer: Trainer) -> None:
    """Turn the sanity check before the first step into a full validation, logged and written like the others."""
    trainer.num_sanity_val_steps = math.inf
