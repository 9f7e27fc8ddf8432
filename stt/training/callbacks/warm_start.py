"""Initializes training with the weights of a checkpoint."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging

from stt.checkpoint import check_weights
from stt.training.callbacks.access import data_of, is_short_sanity_check, model_of, validate_before_training
from stt.training.warm_start import sampler_state_of, warm_start


class WarmStart(Callback):
    """Loads the weights of `model.init_from`, and its sampler's observations of the utterances.

    A full validation then runs before the first step and is logged at step 0, as the baseline without training.
    A resumed run keeps its own weights.
    """

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Check the weights that were restored.

        Raises:
            InputError: they are not finite numbers.
        """
        check_weights(model_of(pl_module).recognizer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load the weights, unless training is resumed.

        Raises:
            InputError: the file is not a checkpoint of this project, its network is different, or its weights are not
                finite numbers.
        """
        model = model_of(pl_module)
        if not model.init_from or trainer.ckpt_path or trainer.global_step:
            return
        report = warm_start(model.recognizer, model.init_from)
        model.parent_domains = report.domains
        if trainer.is_global_zero:
            print(report.message, flush=True)
        data_of(trainer).sampler.inherit(sampler_state_of(model.init_from))
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):
                callback.setup(trainer, pl_module, "fit")  # it has copied the initial weights
        validate_before_training(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the validation at step 0, which Lightning does not log."""
        if trainer.sanity_checking and not is_short_sanity_check(trainer):
            metrics = {name: float(value) for name, value in trainer.logged_metrics.items()}
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step=0)
                logger.save()
