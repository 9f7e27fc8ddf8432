"""The command line of training: LightningCLI with a run folder; what every run has comes with its classes."""

from __future__ import annotations

import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from stt.errors import InputError, exit_with, missing_extra, reason
from stt.recognition.recognizer import Recognizer
from stt.registry import class_path, import_packages, read_checkpoint
from stt.runs.folder import RunFolder
from stt.training.callbacks import (
    BestCheckpoint,
    ConfiguredDecoder,
    ForgettingGate,
    GradientClipping,
    LastCheckpoint,
    SaveConfig,
    Transcripts,
    WandbMetadata,
)
from stt.training.datamodule import SpeechDataModule
from stt.training.precision import default_precision
from stt.training.task import SpeechTask
from stt.training.tracking.loggers import DATA_VARIABLE, finish_wandb, with_run_loggers

# The size `tiny`; a config, or a checkpoint's own recognizer, takes their place.
MODEL_DEFAULTS: dict[str, Any] = {
    "tokenizer": "",
    "normalizer": "plain-1",
    "features": {"class_path": "stt.audio.features.LogMel"},
    "encoder": {"class_path": "stt.models.ConvTransformer"},
    "augment": {"class_path": "stt.audio.augmentation.device.Augmentation"},
    "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-3, "fused": True}},
    "lr_scheduler": {"class_path": "stt.training.schedule.WarmupCosine"},
}
SECTIONS = {  # of a configuration, each with the arguments of a callback that every run has
    "transcripts": Transcripts,
    "forgetting": ForgettingGate,
    "decoder": ConfiguredDecoder,
    "wandb": WandbMetadata,
    "best_checkpoint": BestCheckpoint,
    "last_checkpoint": LastCheckpoint,
}
RESUMABLE = ("callbacks", "loops", "lr_schedulers", "optimizer_states", "pytorch-lightning_version")
RUN_VARIABLE = "STT_RUN"  # hands the run folder to the processes that DDP starts


class SpeechCLI(LightningCLI):
    """LightningCLI for one model class and one data module class.

    What LightningCLI does with a checkpoint is not done here: it makes objects of whatever classes the file names. Of
    `--ckpt_path` the recognizer is taken, by its description; all else about a training comes from the command line.
    """

    resumed: str | None = None
    loaded: Recognizer | None = None

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, import what `--import` names, and let a checkpoint decide what the recognizer is.

        Raises:
            InputError: a package or the checkpoint cannot be loaded.
        """
        super().parse_arguments(parser, args)
        name = self.config.subcommand
        config = self.config[name]
        packages = config["import"] or []
        import_packages([packages] if isinstance(packages, str) else packages)
        if not config.ckpt_path:
            return
        self.resumed = config.ckpt_path
        config.ckpt_path = None
        self.loaded = Recognizer.load(self.resumed)
        if name == "fit" and not set(RESUMABLE) <= set(read_checkpoint(self.resumed)):
            raise InputError(
                f"{self.resumed}: holds a recognizer but no state of a training to resume; "
                "to begin with its weights, give it as --model.init_from"
            )
        described = parser.parse_object({name: {"model": configured(self.loaded)}}, self.config)
        config.model = described[name].model

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run folder, the callbacks and the numbers that follow from others."""
        parser.add_argument(
            "--run",
            type=str | None,
            default=None,
            help="folder for all that this run leaves behind (default: runs/TIME)",
        )
        parser.add_argument(
            "--import",
            type=str | list[str] | None,
            default=None,
            help="package that registers your own encoders or front ends, for checkpoints that hold them",
        )
        parser.add_argument("--wandb_project", type=str, default="stt", help="W&B project to log to")
        parser.add_lightning_class_args(GradientClipping, "clip", subclass_mode=True, required=False)
        parser.set_defaults({"clip": {"class_path": "stt.training.callbacks.GradientClipping"}})
        for name, kind in SECTIONS.items():
            parser.add_lightning_class_args(kind, name)
        parser.set_defaults({f"model.{name}": value for name, value in MODEL_DEFAULTS.items()})
        parser.link_arguments("model.features.init_args.n_mels", "model.encoder.init_args.n_mels")

    def before_instantiate_classes(self) -> None:
        """Settle the run folder."""
        config = self.config[self.subcommand]
        run = self._run_folder(config)
        config.run = str(run.path)
        if "verbose" in config:
            config.verbose = False  # Lightning's table of results would repeat ours
        if self.subcommand == "predict":
            config.return_predictions = False  # they are written as they come; nobody reads them from memory
        if self.subcommand == "fit":
            config.ckpt_path = self.resumed
            config.weights_only = True
            if not self.resumed:
                run.check_unused()
        if self.subcommand != "fit" and not self.resumed:
            raise InputError(f"{self.subcommand} needs the checkpoint of a trained model: give --ckpt_path FILE")

    def after_instantiate_classes(self) -> None:
        """Put the recognizer of the checkpoint into the model."""
        if self.loaded:
            self.model.recognizer = self.loaded.train(self.subcommand == "fit")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the trainer: loggers in the run folder, the precision that the GPU computes fast."""
        config, trainer = self.config[self.subcommand], self.config_init[self.subcommand].trainer
        kwargs["default_root_dir"] = config.run
        if trainer.precision is None:
            kwargs["precision"] = default_precision()
        if trainer.logger is not False and not trainer.fast_dev_run:
            given = [] if trainer.logger in (None, True) else trainer.logger
            given = given if isinstance(given, list) else [given]
            kwargs["logger"] = with_run_loggers(given, Path(config.run), config.wandb_project)
        return super().instantiate_trainer(**kwargs)

    def fit(self, model: LightningModule, **kwargs: Any) -> None:
        """Train.

        Raises:
            InputError: the state of the training that the checkpoint holds does not fit this one.
        """
        begun: list[str] = []
        begin = LambdaCallback(
            on_sanity_check_start=lambda *_: begun.append("check"), on_train_start=lambda *_: begun.append("training")
        )
        self.trainer.callbacks.append(begin)  # type: ignore[attr-defined]
        try:
            self.trainer.fit(model, **kwargs)
        except InputError:
            raise
        except Exception as error:  # what is restored is of a file, and nobody has checked it
            source = self.resumed or self.config[self.subcommand].model.init_from
            if begun or not source:
                raise
            raise InputError(f"{source}: the state of its training does not fit this one ({reason(error)})") from error

    def after_fit(self) -> None:
        """Test the best checkpoint, where there is a test manifest."""
        if not self.config[self.subcommand].data.test:
            return
        best = self.trainer.checkpoint_callback.best_model_path  # type: ignore[union-attr]
        if not best:
            print("nothing to test: training ended before the first validation", flush=True)
        else:
            self.trainer.test(self.model, datamodule=self.datamodule, ckpt_path=best, verbose=False)

    def _run_folder(self, config: Any) -> RunFolder:
        if config.run:
            return RunFolder(Path(config.run))
        of_checkpoint = RunFolder.of_checkpoint(self.resumed) if self.resumed else None
        if of_checkpoint:
            return of_checkpoint
        for starter, variable in (("torchrun", "TORCHELASTIC_RUN_ID"), ("SLURM", "SLURM_JOB_ID")):
            if variable in os.environ:
                raise InputError(f"the processes that {starter} starts must agree on a folder for the run: give --run")
        default = str(Path("runs") / time.strftime("%Y%m%d-%H%M%S"))
        return RunFolder(Path(os.environ.setdefault(RUN_VARIABLE, default)))


def configured(recognizer: Recognizer) -> dict[str, Any]:
    """Say what a recognizer is made of as a configuration of the model does, for the record.

    Parts of a user's classes are not said: the parser would import what their arguments name, where it takes them for
    functions or classes, and the arguments are those of the file.
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


def main(args: ArgsType = None) -> None:
    """Run the command line; bad input ends with one sentence and exit code 2.

    Args:
        args: arguments as a list, for tests and notebooks; None takes those of the process.
    """
    _quiet()
    variables = {name: os.environ.get(name) for name in (RUN_VARIABLE, DATA_VARIABLE)}
    try:
        SpeechCLI(
            SpeechTask,
            SpeechDataModule,
            save_config_callback=SaveConfig,
            trainer_defaults={
                "max_steps": 10_000,
                "log_every_n_steps": 10,
                "use_distributed_sampler": False,  # the data module deals batches out to the ranks itself
            },
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,  # checkpoints describe the recognizer by themselves
            parser_kwargs={"parser_mode": "yaml"},
            args=args,
        )
    except ValueError as error:
        # Where a class may be None, the parser raises an error of its own from that of the class.
        said = error if isinstance(error, InputError) else error.__cause__
        if not isinstance(said, InputError):
            raise
        exit_with(said)
    except ModuleNotFoundError as error:
        exit_with(missing_extra(error))
    finally:
        finish_wandb()
        for name, value in variables.items():  # what a run sets for its processes is not for the next one
            if value is None:
                os.environ.pop(name, None)


def _quiet() -> None:
    logging.getLogger("stt").setLevel(logging.INFO)
    # Not ours to mend, and nothing that a user could act on.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists and is not empty.*")


if __name__ == "__main__":  # as the benchmarks start it, which have no train.py at hand
    main()
