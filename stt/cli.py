"""The command line of training: LightningCLI with a run folder, and callbacks that are always there."""

from __future__ import annotations

import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback, LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from stt.callbacks import (
    ConfiguredDecoder,
    CurriculumFeedback,
    DomainErrorRatesCallback,
    ForgettingGate,
    GradientClipping,
    LeftOutReport,
    Predictions,
    RankAgreement,
    SaveConfig,
    Summary,
    Throughput,
    TrainingBar,
    Transcripts,
    WandbRecord,
)
from stt.checkpoint import read_checkpoint
from stt.data.datamodule import SpeechDataModule
from stt.errors import InputError, exit_with, reason
from stt.extras import missing_extra
from stt.recognition.recognizer import Recognizer
from stt.registry import class_path, import_packages
from stt.task import SpeechRecognizer
from stt.tracking.loggers import DATA_VARIABLE, finish_wandb, run_loggers
from stt.transfer import sampling_of, warm_start

# The size `tiny`; a config, or a checkpoint's own recognizer, takes their place.
MODEL_DEFAULTS: dict[str, Any] = {
    "tokenizer": "",
    "normalizer": "plain-1",
    "features": {"class_path": "stt.audio.features.LogMel"},
    "encoder": {"class_path": "stt.models.ConvTransformer"},
    "augment": {"class_path": "stt.audio.augment.Augmentation"},
    "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-3, "fused": True}},
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
        parser.set_defaults({"clip": {"class_path": "stt.callbacks.GradientClipping"}})
        parser.add_lightning_class_args(Transcripts, "transcripts")
        parser.add_lightning_class_args(ForgettingGate, "forgetting")
        parser.add_lightning_class_args(ConfiguredDecoder, "decoder")
        parser.add_lightning_class_args(WandbRecord, "record")
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.set_defaults(
            {
                "checkpoint.monitor": "val/cer/mean",
                "checkpoint.filename": "best",
                "checkpoint.save_on_train_epoch_end": False,
                "checkpoint.enable_version_counter": False,
            }
        )
        # A callback of its own: Lightning's `save_last` writes only when a new best is written.
        parser.add_lightning_class_args(ModelCheckpoint, "last")
        parser.set_defaults(
            {
                "last.filename": "last",
                "last.save_on_train_epoch_end": True,
                "last.enable_version_counter": False,
            }
        )
        parser.set_defaults({f"model.{name}": value for name, value in MODEL_DEFAULTS.items()})
        parser.link_arguments("trainer.max_steps", "model.total_steps")
        parser.link_arguments("model.features.init_args.n_mels", "model.encoder.init_args.n_mels")

    def before_instantiate_classes(self) -> None:
        """Settle the run folder."""
        config = self.config[self.subcommand]
        run = self._run_folder(config)
        config.run = str(run)
        if "verbose" in config:
            config.verbose = False  # Lightning's table of results would repeat ours
        if self.subcommand == "predict":
            config.return_predictions = False  # they are written as they come; nobody reads them from memory
        for key in ("checkpoint", "last"):
            config[key].dirpath = config[key].dirpath or str(run / "checkpoints")
        if self.subcommand == "fit":
            config.ckpt_path = self.resumed
            config.weights_only = True
        if self.subcommand == "fit" and not self.resumed and (run / "checkpoints" / "last.ckpt").exists():
            raise InputError(
                f"{run} already holds a run: give another --run, or go on with --ckpt_path {run}/checkpoints/last.ckpt"
            )
        if self.subcommand == "fit" and config.model.init_from and not config.model.tokenizer:
            config.model.tokenizer = Recognizer.load(config.model.init_from).tokenizer.to_string()
        if self.subcommand != "fit" and not self.resumed:
            raise InputError(f"{self.subcommand} needs the checkpoint of a trained model: give --ckpt_path FILE")

    def after_instantiate_classes(self) -> None:
        """Put the recognizer of the checkpoint into the model."""
        if self.loaded:
            self.model.recognizer = self.loaded.train(self.subcommand == "fit")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the trainer: loggers in the run folder, bf16 where the device has it."""
        config = self.config[self.subcommand]
        kwargs["default_root_dir"] = config.run
        if config.trainer.precision is None:
            bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
            kwargs["precision"] = "bf16-mixed" if bf16 else "32-true"
        if config.trainer.logger in (None, True) and not config.trainer.fast_dev_run:
            kwargs["logger"] = run_loggers(Path(config.run), config.wandb_project)
        given = list(self.config_init[self.subcommand].trainer.callbacks or [])
        if config.trainer.enable_progress_bar is not False and not any(isinstance(c, ProgressBar) for c in given):
            kwargs["callbacks"] = [*given, TrainingBar()]
        trainer = super().instantiate_trainer(**kwargs)
        always: list[type[Callback]] = [DomainErrorRatesCallback, LeftOutReport, CurriculumFeedback, RankAgreement]
        always += [Throughput, Summary, Predictions]
        callbacks: list[Callback] = [kind() for kind in always if not any(isinstance(c, kind) for c in given)]
        if trainer.loggers:
            callbacks.append(LearningRateMonitor("step"))
        # Error rates come first: what other callbacks and the checkpoint watch is logged there.
        trainer.callbacks[:0] = callbacks  # type: ignore[attr-defined]
        return trainer

    def before_fit(self) -> None:
        """Begin with the weights of another checkpoint, where one is named, and show what they can do."""
        config = self.config[self.subcommand]
        parent = config.model.init_from
        if not parent or config.ckpt_path:  # a run that goes on has its own weights
            return
        print(warm_start(self.model, parent), flush=True)
        self.datamodule.inherited = sampling_of(parent)
        self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)

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

    def _run_folder(self, config: Any) -> Path:
        if config.run:
            return Path(config.run)
        if self.resumed and Path(self.resumed).parent.name == "checkpoints":
            return Path(self.resumed).parent.parent
        for starter, variable in (("torchrun", "TORCHELASTIC_RUN_ID"), ("SLURM", "SLURM_JOB_ID")):
            if variable in os.environ:
                raise InputError(f"the processes that {starter} starts must agree on a folder for the run: give --run")
        default = str(Path("runs") / time.strftime("%Y%m%d-%H%M%S"))
        return Path(os.environ.setdefault(RUN_VARIABLE, default))


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
            SpeechRecognizer,
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
    except InputError as error:
        exit_with(error)
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
