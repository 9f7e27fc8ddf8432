"""What callbacks know of a training: its model, its data, its folder."""

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
    """The LightningModule, as callbacks see it."""

    recognizer: Recognizer
    augment: Augmentation
    metrics: Sequence[DomainMetric]  # measured in every domain
    init_from: str | None  # checkpoint that training begins with the weights of
    parent_domains: list[str]  # what that was trained on
    compiled: bool


def model_of(pl_module: LightningModule) -> Model:
    """Give the model of a training."""
    return cast(Model, pl_module)


def data_of(trainer: Trainer) -> SpeechDataModule:
    """Give the data module of a training."""
    return cast(SpeechDataModule, trainer.datamodule)  # type: ignore[attr-defined]


def stream_of(trainer: Trainer) -> BatchStream:
    """Give the stream of batches that a trainer trains on."""
    return cast(BatchStream, data_of(trainer).stream)


def folder_of(trainer: Trainer) -> RunFolder:
    """Give the folder of a run."""
    return RunFolder(Path(trainer.default_root_dir))


def is_short_sanity_check(trainer: Trainer) -> bool:
    """Tell whether a validation only tries the program on a few batches; over all of them it is one of step 0."""
    return trainer.sanity_checking and trainer.num_sanity_val_steps != math.inf


def validate_before_training(trainer: Trainer) -> None:
    """Let the validation before the first step be a real one: of everything, logged and written."""
    trainer.num_sanity_val_steps = math.inf
