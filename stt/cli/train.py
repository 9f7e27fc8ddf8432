"""The training command line: LightningCLI with a run folder."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException

from stt.checkpoint import read_checkpoint
from stt.data.loader import lost_worker
from stt.errors import InputError, exit_with, file_system_error, missing_extra, reason
from stt.recognition.recognizer import Recognizer
from stt.registry import import_packages
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
from stt.training.callbacks.config import recognizer_config
from stt.training.callbacks.termination import EXIT_CODE
from stt.training.datamodule import SpeechDataModule
from stt.training.distributed import RANK_0_VARIABLE, end_with_rank_0
from stt.training.precision import PRECISIONS, default_precision
from stt.training.task import SpeechTask
from stt.training.tracking.loggers import DATA_VARIABLE, with_run_loggers
from stt.training.tracking.wandb_logger import finish_wandb

# The size `tiny`; overridden by a config or by a checkpoint's recognizer.
MODEL_DEFAULTS: dict[str, Any] = {
    "tokenizer": "",
    "features": {"class_path": "stt.audio.features.LogMel"},
    "encoder": {"class_path": "stt.models.ConvTransformer"},
    "augment": {"class_path": "stt.audio.augmentation.device.Augmentation"},
    "optimizer": {"class_path": "stt.training.muon.Muon"},
    "lr_scheduler": {"class_path": "stt.training.schedule.WarmupCosine"},
}
SECTIONS = {  # configuration sections with the arguments of default callbacks
    "transcripts": Transcripts,
    "forgetting": ForgettingGate,
    "decoder": ConfiguredDecoder,
    "wandb": WandbMetadata,
    "best_checkpoint": BestCheckpoint,
    "last_checkpoint": LastCheckpoint,
}
RESUMABLE = ("callbacks", "loops", "lr_schedulers", "optimizer_states", "pytorch-lightning_version")
RUN_VARIABLE = "STT_RUN"  # passes the run folder to the processes that DDP starts


class SpeechCLI(LightningCLI):
    """LightningCLI for one model class and one data module class.

    Unlike LightningCLI, it does not instantiate the classes that a checkpoint names. From `--ckpt_path` only the
    recognizer's description is read; all other settings come from the command line.
    """

    checkpoint: str | None = None
    loaded_recognizer: Recognizer | None = None

    def __init__(self, **options: Any) -> None:
        """Parse the arguments, and run the command."""
        self.given = sys.argv[1:] if options["args"] is None else options["args"]
        super().__init__(**options)

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # static there, called on the instance
        """Return the given command, or all of them: collecting the options of all takes half of a small test's time."""
        every = LightningCLI.subcommands()
        return {name: skipped for name, skipped in every.items() if name in self.given} or every

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, import the packages of `--import`, and take the recognizer from the checkpoint if there is one.

        Raises:
            InputError: a package or the checkpoint cannot be loaded, or the seed is out of range.
        """
        try:
            super().parse_arguments(parser, args)
        except UnicodeDecodeError as error:
            raise InputError(f"a configuration is not UTF-8 ({error})") from error
        name = self.config.subcommand
        config = self.config[name]
        if not 0 <= config.seed_everything < 2**32:  # True and False are 1 and 0
            raise InputError(f"--seed_everything {config.seed_everything}: it must be between 0 and {2**32 - 1}")
        packages = config["import"] or []
        import_packages([packages] if isinstance(packages, str) else packages)
        if config.ckpt_path == "last":
            config.ckpt_path = self._last_checkpoint(config.run, name)
        if not config.ckpt_path:
            return
        self.checkpoint = config.ckpt_path
        config.ckpt_path = None
        content = read_checkpoint(self.checkpoint)
        self.loaded_recognizer = Recognizer.from_content(content, self.checkpoint)
        if name == "fit" and not set(RESUMABLE) <= set(content):
            raise InputError(
                f"{self.checkpoint}: holds a recognizer but no training state to resume; "
                "to start from its weights, give it as --model.init_from"
            )
        described = parser.parse_object({name: {"model": recognizer_config(self.loaded_recognizer)}}, self.config)
        config.model = described[name].model

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run folder, the callbacks and linked arguments."""
        folder = "folder for all outputs of this run (default: runs/TIME)"
        parser.add_argument("--run", type=str | None, default=None, help=folder)
        parser.add_argument(
            "--import",
            type=str | list[str] | None,
            default=None,
            help="package that registers custom encoders or front ends, for checkpoints that use them",
        )
        parser.add_argument("--wandb_project", type=str, default="stt", help="W&B project to log to")
        parser.add_lightning_class_args(GradientClipping, "clip", subclass_mode=True, required=False)
        parser.set_defaults({"clip": {"class_path": "stt.training.callbacks.GradientClipping"}})
        for name, kind in SECTIONS.items():
            parser.add_lightning_class_args(kind, name)
        parser.set_defaults({f"model.{name}": value for name, value in MODEL_DEFAULTS.items()})
        parser.set_defaults({"data.sampler": {"class_path": "stt.sampling.CurriculumSampler"}})
        parser.link_arguments("model.features.init_args.n_mels", "model.encoder.init_args.n_mels")

    def before_instantiate_classes(self) -> None:
        """Set the run folder."""
        config = self.config[self.subcommand]
        run = self._run_folder(config)
        config.run = str(run.path)
        if "verbose" in config:
            config.verbose = False  # Lightning would print a second table of results
        if self.subcommand == "predict":
            config.return_predictions = False  # a callback writes them
        if self.subcommand == "fit":
            config.ckpt_path = self.checkpoint
            config.weights_only = True
            if not self.checkpoint:
                run.check_unused()
        if self.subcommand != "fit" and not self.checkpoint:
            raise InputError(f"{self.subcommand} needs a trained checkpoint: give --ckpt_path FILE")

    def instantiate_classes(self) -> None:
        """Instantiate the configured classes.

        Raises:
            InputError: one of them refuses its arguments.
        """
        try:
            super().instantiate_classes()
        except (InputError, OSError, ModuleNotFoundError):
            raise
        except Exception as error:  # constructors, including the user's
            if isinstance(error.__cause__, InputError):
                raise error.__cause__ from error
            logging.getLogger("stt").debug("cannot instantiate the configuration", exc_info=True)
            raise InputError(f"the configuration cannot be instantiated ({reason(error, 400)})") from error

    def after_instantiate_classes(self) -> None:
        """Move the checkpoint's recognizer into the model."""
        if self.loaded_recognizer:
            self.model.recognizer = self.loaded_recognizer.train(self.subcommand == "fit")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Create the trainer, with loggers in the run folder, and the fastest precision of the GPU."""
        config, trainer = self.config[self.subcommand], self.config_init[self.subcommand].trainer
        kwargs["default_root_dir"] = config.run
        for name in ("accumulate_grad_batches", "check_val_every_n_epoch", "val_check_interval"):
            if isinstance(trainer[name], int | float) and trainer[name] <= 0:  # Lightning would divide by it
                raise InputError(f"--trainer.{name} {trainer[name]}: it must be above 0")
        if trainer.precision is None:
            kwargs["precision"] = "32-true" if trainer.accelerator == "cpu" else default_precision()
        elif str(trainer.precision) not in PRECISIONS:
            raise InputError(f"--trainer.precision {trainer.precision}: it must be one of {', '.join(PRECISIONS)}")
        if trainer.logger is not False and not trainer.fast_dev_run:
            given = [] if trainer.logger in (None, True) else trainer.logger
            given = given if isinstance(given, list) else [given]
            kwargs["logger"] = with_run_loggers(given, Path(config.run), config.wandb_project)
        return super().instantiate_trainer(**kwargs)

    def fit(self, model: LightningModule, **kwargs: Any) -> None:
        """Train.

        Raises:
            InputError: training cannot start, or the checkpoint's training state does not match this configuration.
        """
        started: list[str] = []
        on_start = LambdaCallback(
            on_sanity_check_start=lambda *_: started.append("check"),
            on_sanity_check_end=lambda *_: started.clear(),  # Lightning checks more options after it
            on_train_start=lambda *_: started.append("training"),
        )
        self.trainer.callbacks.append(on_start)  # type: ignore[attr-defined]
        try:
            self.trainer.fit(model, **kwargs)
        except InputError:
            raise
        except Exception as error:  # the restored state was not validated
            if started:
                raise
            source = self.checkpoint or self.config[self.subcommand].model.init_from
            problem = f"{source}: its training state does not match this run" if source else "training cannot start"
            raise InputError(f"{problem} ({reason(error)})") from error

    def after_fit(self) -> None:
        """Test the best checkpoint if there is a test manifest."""
        if not self.config[self.subcommand].data.test:
            return
        best = self.trainer.checkpoint_callback.best_model_path  # type: ignore[union-attr]
        if not best:
            print("nothing to test: training ended before the first validation", flush=True)
        else:
            self.trainer.test(self.model, datamodule=self.datamodule, ckpt_path=best, verbose=False)

    def _last_checkpoint(self, run: str | None, subcommand: str) -> str | None:
        """Resolve `--ckpt_path last`: a resubmitted training resumes, or starts if there is no checkpoint yet."""
        if not run:
            raise InputError("--ckpt_path last needs the run folder: give --run")
        last = RunFolder(Path(run)).last
        return str(last) if last.is_file() or subcommand != "fit" else None

    def _run_folder(self, config: Any) -> RunFolder:
        if config.run:
            return RunFolder(Path(config.run))
        of_checkpoint = RunFolder.of_checkpoint(self.checkpoint) if self.checkpoint else None
        if of_checkpoint:
            return of_checkpoint
        for launcher, variable in (("torchrun", "TORCHELASTIC_RUN_ID"), ("SLURM", "SLURM_JOB_ID")):
            if variable in os.environ:
                raise InputError(f"processes started by {launcher} need a common run folder: give --run")
        default = str(Path("runs") / time.strftime("%Y%m%d-%H%M%S"))
        return RunFolder(Path(os.environ.setdefault(RUN_VARIABLE, default)))


def main(args: list[str] | None = None) -> None:
    """Run the command line; bad input gives a one-sentence error and exit code 2.

    Args:
        args: arguments as a list, for tests and notebooks; None uses those of the process.
    """
    _configure_logging()
    variables = {name: os.environ.get(name) for name in (RUN_VARIABLE, DATA_VARIABLE, RANK_0_VARIABLE)}
    end_with_rank_0()
    try:
        SpeechCLI(
            model_class=SpeechTask,
            datamodule_class=SpeechDataModule,
            save_config_callback=SaveConfig,
            trainer_defaults={
                "max_steps": 10_000,
                "log_every_n_steps": 10,
                "use_distributed_sampler": False,  # the data module splits batches between ranks itself
            },
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,  # checkpoints contain the recognizer's description
            parser_kwargs={"parser_mode": "yaml"},
            args=args,
        )
    except ValueError as error:
        # For optional classes the parser wraps the class's error in its own.
        input_error = error if isinstance(error, InputError) else error.__cause__
        if not isinstance(input_error, InputError):
            raise
        exit_with(input_error)
    except ModuleNotFoundError as error:
        exit_with(missing_extra(error))
    except OSError as error:
        exit_with(file_system_error(error))
    except RuntimeError as error:
        exit_with(lost_worker(error))
    except SIGTERMException as error:  # in a validation or a test; Lightning would exit with 0
        raise SystemExit(EXIT_CODE) from error
    finally:
        finish_wandb()
        for name, value in variables.items():  # variables set for this run must not reach the next one
            if value is None:
                os.environ.pop(name, None)


def _configure_logging() -> None:
    logging.getLogger("stt").setLevel(logging.INFO)
    # Warnings of libraries that users cannot act on.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists and is not empty.*")


if __name__ == "__main__":  # for subprocesses, which may run outside a checkout
    main()
