"""Begins a training with the weights of another one."""

from __future__ import annotations

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging

from stt.training.callbacks.access import data_of, is_short_sanity_check, model_of, validate_before_training
from stt.training.warm_start import sampler_state_of, warm_start


class WarmStart(Callback):
    """Takes the weights of the checkpoint that `model.init_from` names, and what its sampler knew of the utterances.

    The validation before the first step is then of everything and is logged at step 0, so that what the weights can do
    without any training is known. A training that is resumed or continued has weights of its own.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the weights, where this is the first step.

        Raises:
            InputError: the file is no checkpoint of this project, or is of another network.
        """
        model = model_of(pl_module)
        if not model.init_from or trainer.ckpt_path or trainer.global_step:
            return
        found = warm_start(model.recognizer, model.init_from)
        model.parent_domains = found.domains
        if trainer.is_global_zero:
            print(found.said, flush=True)
        data_of(trainer).sampler.inherit(sampler_state_of(model.init_from))
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):
                callback.setup(trainer, pl_module, "fit")  # it has copied the weights that were there before
        validate_before_training(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the validation of step 0, which Lightning keeps to itself."""
        if trainer.sanity_checking and not is_short_sanity_check(trainer):
            metrics = {name: float(value) for name, value in trainer.logged_metrics.items()}
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step=0)
                logger.save()
