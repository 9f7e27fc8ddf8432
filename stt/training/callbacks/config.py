"""Saves the configuration of a run in its folder and to W&B."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from stt.files import write_text
from stt.recognition.recognizer import Recognizer
from stt.registry import class_path
from stt.training.callbacks.access import data_of, folder_of, model_of
from stt.training.tracking.wandb_logger import wandb_of


class SaveConfig(SaveConfigCallback):
    """Saves the full configuration to `<run>/config.yaml` and to W&B."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Save when training starts; testing does not overwrite the training configuration."""
        if stage != "fit" or not trainer.is_global_zero or not trainer.loggers:
            return
        text = self.parser.dump(self.config, skip_none=False)
        write_text(folder_of(trainer).config, text)
        plain = self.parser.dump(self.config, skip_none=False, format="json")
        logger = wandb_of(trainer.loggers)
        if logger:
            configuration = json.loads(plain)
            logger.attempt(lambda run: run.config.update(configuration, allow_val_change=True))  # type: ignore[no-untyped-call]


def recognizer_config(recognizer: Recognizer) -> dict[str, Any]:
    """Return the model configuration of a recognizer, for the saved config.

    Parts with user-defined classes are omitted: their arguments come from the checkpoint, and the parser would import
    any functions or classes that they name.
    """
    description = recognizer.description()
    parts = {name: class_path(type(getattr(recognizer, name))) for name in ("features", "encoder")}
    return {
        "tokenizer": description["tokenizer"],
        "normalizer": description["normalizer"],
        **{
            name: {"class_path": path, "init_args": description[name]["arguments"]}
            for name, path in parts.items()
            if path.startswith("stt.")
        },
    }


DESCRIBED_PARTS = ("features", "encoder", "tokenizer", "normalizer")


class PythonConfig(Callback):
    """Writes `config.yaml` when training is started from Python: data, recognizer, length, and what tells runs apart.

    It cannot be used to start a run: the constructor arguments of Python objects are not all known.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file; the command line uses `SaveConfig` instead."""
        from_command_line = any(isinstance(one, SaveConfigCallback) for one in trainer.callbacks)  # type: ignore[attr-defined]
        if from_command_line or not trainer.loggers or not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        data, model = data_of(trainer), model_of(pl_module)
        description = model.recognizer.description()
        known: dict[str, Any] = {
            "started_from": "Python",
            "trainer": {"max_steps": trainer.max_steps},
            "model": {
                "init_from": model.init_from,
                **{name: description[name] for name in DESCRIBED_PARTS},
                "augment": _part(model.augment, vars(model.augment)),
                "optimizer": [_part(one, one.defaults) for one in trainer.optimizers],
            },
            "data": {
                **{name: paths or None for name, paths in data.manifests.items()},
                **_plain(vars(data)),
                "sampler": _part(data.sampler, vars(data.sampler)),
            },
        }
        write_text(folder_of(trainer).config, yaml.safe_dump(known, sort_keys=False, allow_unicode=True))


def _part(part: object, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the class of a part with its plain values, among which are most of what it was made with."""
    return {"class": class_path(type(part)), **_plain(values)}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what YAML can hold; NumPy's floats, which sweeps are full of, as Python's."""
    found = {}
    for name, value in values.items():
        kind = next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), None)
        if kind and not name.startswith("_") and name != "training":
            found[name] = kind(value)
    return found
