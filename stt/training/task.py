"""The LightningModule that trains a recognizer: augmentation -> log_probs -> loss."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from lightning import Callback, LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric

from stt.audio.augmentation.device import Augmentation
from stt.audio.features import FrontEnd, LogMel
from stt.data.batch import Batch
from stt.data.preprocessing import Preprocessing
from stt.decoding.greedy import greedy_decode
from stt.errors import InputError
from stt.metrics.domain_metric import DomainMetric, with_standard_metrics
from stt.models import ConvTransformer, Encoder
from stt.models.ctc import ctc_losses
from stt.recognition.description import KEY, extract_description
from stt.recognition.recognizer import Recognizer, check_outputs
from stt.runs.metric_names import PREFIX as METRIC_PREFIX
from stt.runs.metric_names import TRAIN_LOSS, Split
from stt.tensors import to_device
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from stt.training.callbacks.defaults import add_default_callbacks
from stt.training.datamodule import SpeechDataModule
from stt.training.muon import Muon
from stt.training.random_labels import random_losses
from stt.training.schedule import WarmupCosine, needs_total_steps

WEIGHTS_PREFIX = "recognizer."  # of parameter names in the state dict


class SpeechTask(LightningModule):
    """Trains a recognizer with CTC: `Trainer(max_steps=...).fit(model, data)` sets up everything a run needs.

    Checkpoints use the same recognizer description and weight names as `Recognizer.save`.

    Example:
        >>> import stt
        >>> from lightning import Trainer
        >>> model = stt.SpeechTask("letters.model")
        >>> data = stt.SpeechDataModule("corpus.csv", "corpus.csv", batches_per_epoch=2, num_workers=0)
        >>> trainer = Trainer(max_steps=2, default_root_dir="run", accelerator="cpu", logger=False)
        >>> trainer.fit(model, data)
        >>> stt.load("run/checkpoints/last.ckpt").train_domains
        ['narration']
    """

    def __init__(
        self,
        tokenizer: str | None = None,
        normalizer: str | None = None,
        features: FrontEnd | None = None,
        encoder: Encoder | None = None,
        augment: Augmentation | None = None,
        optimizer: OptimizerCallable = Muon,
        lr_scheduler: LRSchedulerCallable = WarmupCosine,
        metrics: list[DomainMetric] | None = None,
        init_from: str | None = None,
        compile: bool = False,  # noqa: A002  # the name that PyTorch users know
    ) -> None:
        """Build the model; it defaults to the size `tiny`, or to the network of `init_from` if that is given.

        Args:
            tokenizer: SentencePiece model: a file, or the string stored in a checkpoint; None uses that of `init_from`.
            normalizer: versioned name of the text normalizer; None uses that of `init_from`, else `plain-1`.
            features: front end that turns waveforms into frames.
            encoder: network that turns frames into fewer, wider frames.
            augment: augmentation during training.
            optimizer: builds the optimizer from parameter groups.
            lr_scheduler: builds the learning rate schedule, which is stepped with the optimizer; if it has an unset
                argument `total_steps`, that is set to `trainer.max_steps`.
            metrics: metrics computed for each domain in addition to CER and WER.
            init_from: checkpoint whose weights initialize training; ignored when a run is resumed.
            compile: compile the encoder for training (torch.compile with dynamic shapes).

        Raises:
            InputError: the tokenizer or the checkpoint cannot be read, the normalizer is unknown, the front end or
                the encoder is not registered, or two metrics have the same name.
        """
        super().__init__()
        if init_from and (not tokenizer or not normalizer or features is None or encoder is None):
            parent = Recognizer.load(init_from).train()
            tokenizer, normalizer = tokenizer or parent.tokenizer.to_string(), normalizer or parent.normalizer.name
            features, encoder = features or parent.features, encoder or parent.encoder
        features = features or LogMel()
        encoder = encoder or ConvTransformer(n_mels=features.n_mels)
        text = get_normalizer(normalizer or "plain-1")
        self.recognizer = Recognizer(features, encoder, Tokenizer.load(tokenizer or ""), text)
        self.augment = augment or Augmentation()
        self.make_optimizer = optimizer
        self.make_schedule = lr_scheduler
        self.metrics = with_standard_metrics(metrics or ())
        self.init_from = init_from
        self.compiled = compile
        self.parent_domains: list[str] = []  # domains that `init_from` was trained on
        self.judges_labels = False  # whether training also computes losses for other utterances' labels
        # A mean over utterances, whatever batches and ranks they are in, as Lightning's own is not.
        self.evaluated_loss = MeanMetric(nan_strategy="disable")
        self._seed: int | None = None  # for dropout and on-device augmentation
        # Checkpoints use the recognizer's parameter names, whether training or `Recognizer.save` wrote them.
        self.register_state_dict_post_hook(_drop_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_add_prefix)  # type: ignore[no-untyped-call]

    def configure_callbacks(self) -> list[Callback]:
        """Add the default callbacks and loggers, and set the data's preprocessing; Lightning calls this hook first.

        Raises:
            InputError: the data module is not a `SpeechDataModule`, or its preprocessing does not match the model.
        """
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, SpeechDataModule):
            raise InputError("the data must be a SpeechDataModule: trainer.fit(model, data)")
        data.set_preprocessing(self.preprocessing())
        add_default_callbacks(self.trainer)
        return []  # they have already been added to the Trainer, in order

    def preprocessing(self) -> Preprocessing:
        """Return how audio and texts must be prepared for this model."""
        recognizer = self.recognizer
        return Preprocessing(
            recognizer.tokenizer,
            recognizer.sample_rate,
            self.augment.strength,
            recognizer.normalizer.name,
            recognizer.output_lengths,
        )

    def setup(self, stage: str) -> None:
        """Before training, load the augmentation's files, and compile the encoder if requested."""
        if stage != "fit":
            return
        self.augment.prepare(self.recognizer.sample_rate)
        if self.compiled:
            self.recognizer.encoder.compile(dynamic=True)

    def on_fit_start(self) -> None:
        """Record the training domains, in addition to those of the run that is resumed, and the utterances' length."""
        manifest = self.trainer.datamodule.datasets["train"].manifest  # type: ignore[attr-defined]
        self.recognizer.train_domains = list(dict.fromkeys([*self.recognizer.train_domains, *manifest.domains]))
        self.recognizer.utterance_seconds = float(np.quantile(manifest.durations, 0.75))

    def forward(self, waveforms: Tensor, lengths: Tensor, strengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute float32 log_probs (batch, frame, vocab) and lengths (batch,) from waveforms (batch, sample).

        In training mode, utterances are augmented with `strengths` (batch,), a tensor on the host, if given.
        """
        if strengths is None:
            strengths = torch.zeros(len(waveforms))
        waveforms = self.augment.waveforms(waveforms, lengths, strengths)
        x, frames = self.recognizer.features(waveforms, lengths)
        return self.recognizer.log_probs(self.augment.features(x, frames, strengths), frames)

    def losses(self, log_probs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return CTC losses per token (batch,) and a host mask (batch,) of those that count.

        An utterance that cannot be aligned with its actual number of frames, after augmentation, gets
        an empty target, so that its gradient is finite, and is not counted. Non-finite losses are
        counted: they make the whole step non-finite, and the step is skipped.
        """
        frames = self.recognizer.output_lengths(batch.host_lengths)
        alignable = (frames >= batch.frames_needed) & (batch.token_lengths > 0)
        token_lengths = torch.where(alignable, batch.token_lengths, 0)
        return ctc_losses(log_probs, frames, batch.tokens, token_lengths, self.recognizer.tokenizer.blank_id), alignable

    def on_train_start(self) -> None:
        """Use the current seed, unless a checkpoint has restored one."""
        if self._seed is None:
            self._seed = torch.initial_seed()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed dropout and augmentation from the run's seed, the batch number and the rank alone."""
        torch.manual_seed(step_seed(self._seed or 0, batch.number, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the mean CTC loss over the counted utterances, and the outputs that callbacks need."""
        log_probs, frames = self(batch.waveforms, batch.lengths, batch.strengths)
        losses, counted = self.losses(log_probs, batch)
        loss = mean_where(losses, counted)
        self.log(TRAIN_LOSS, loss, batch_size=max(len(batch), 1))
        outputs = {"loss": loss, "losses": losses.detach(), "counted": counted}
        if self.judges_labels:
            host_frames = self.recognizer.output_lengths(batch.host_lengths)
            random = random_losses(log_probs.detach(), host_frames, batch, self.recognizer.tokenizer.blank_id)
            outputs |= {"random_losses": random[0], "random_counted": random[1]}
        return outputs | {"log_probs": log_probs.detach(), "frames": frames}

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; callbacks compute the error rates."""
        return self._evaluate(batch, "validate")

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; callbacks compute the error rates."""
        return self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; a callback writes the transcripts."""
        log_probs, frames = self(batch.waveforms, batch.lengths)
        return self._recognized(log_probs, frames, batch)

    def _evaluate(self, batch: Batch, split: Split) -> dict[str, Any]:
        log_probs, frames = self(batch.waveforms, batch.lengths)
        losses, counted = self.losses(log_probs, batch)
        # Also by a rank that has no utterance, because all of them must take part in the mean.
        weights = to_device(counted.to(losses.dtype), losses.device)
        self.evaluated_loss.update(losses.where(weights > 0, 0.0), weights)
        self.log(f"{METRIC_PREFIX[split]}/loss", self.evaluated_loss, on_epoch=True, batch_size=max(len(batch), 1))
        return self._recognized(log_probs, frames, batch)

    def _recognized(self, log_probs: Tensor, frames: Tensor, batch: Batch) -> dict[str, Any]:
        if self.trainer.state.fn != "fit":  # validation during training shows it as the loss
            check_outputs(log_probs, frames, batch.names)
        hypotheses = greedy_decode(log_probs, frames, self.recognizer.tokenizer)[: len(batch)]
        return {"hypotheses": hypotheses, "log_probs": log_probs, "frames": frames}

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Build the configured optimizer and schedule; the schedule spans the whole training.

        Scales and biases are not decayed: pulling them to zero does not regularize, it distorts.

        Raises:
            InputError: the schedule needs `trainer.max_steps`, which is not set, or is `ReduceLROnPlateau`.
        """
        matrices = [parameter for parameter in self.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.parameters() if parameter.ndim <= 1]
        optimizer = self.make_optimizer([{"params": matrices}, {"params": vectors, "weight_decay": 0.0}])
        optimizer.register_load_state_dict_pre_hook(_with_configured_kernels)
        schedule_length = {}
        if needs_total_steps(self.make_schedule):
            schedule_length = {"total_steps": self.trainer.max_steps}
            if self.trainer.max_steps <= 0:
                raise InputError("the learning rate schedule spans the whole training: set trainer.max_steps")
        schedule = self.make_schedule(optimizer, **schedule_length)
        if isinstance(schedule, ReduceLROnPlateau):
            raise InputError(
                "ReduceLROnPlateau is not supported: schedules are stepped with the optimizer, not by validation"
            )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the recognizer's description, so that recognition needs nothing but the checkpoint."""
        checkpoint[KEY] = self.recognizer.description()
        checkpoint["seed"] = self._seed
        checkpoint["parent_domains"] = self.parent_domains

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the training domains and the seed.

        Raises:
            InputError: the checkpoint was trained with a different tokenizer.
        """
        description = extract_description(checkpoint)
        if Tokenizer.from_string(description["tokenizer"]).content_hash != self.recognizer.tokenizer.content_hash:
            raise InputError("the checkpoint was trained with a different tokenizer from the configured one")
        self.recognizer.train_domains = description["train_domains"]
        seed = checkpoint.get("seed")
        self._seed = seed if isinstance(seed, int) else None
        self.parent_domains = checkpoint.get("parent_domains", [])  # not written by `Recognizer.save`


def _with_configured_kernels(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Restore the optimizer's state, but keep the configured `foreach` and `fused`, which depend on the machine."""
    if not all(set(optimizer.defaults) <= set(group) for group in state["param_groups"]):
        raise InputError(
            f"the checkpoint was trained with a different optimizer, not {type(optimizer).__name__}: "
            "resume with the configuration of the original run"
        )
    configured = {name: optimizer.defaults[name] for name in ("foreach", "fused") if name in optimizer.defaults}
    return {**state, "param_groups": [{**group, **configured} for group in state["param_groups"]]}


def _drop_prefix(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    for name in [name for name in state if name.startswith(prefix + WEIGHTS_PREFIX)]:
        state[prefix + name.removeprefix(prefix + WEIGHTS_PREFIX)] = state.pop(name)


def _add_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    parts = {f"{prefix}{part}" for part, _ in cast(SpeechTask, module).recognizer.named_children()}
    for name in [name for name in state if name.rpartition(".")[0].startswith(tuple(parts))]:
        state[prefix + WEIGHTS_PREFIX + name.removeprefix(prefix)] = state.pop(name)


def step_seed(seed: int, number: int, rank: int) -> int:
    """Return the random seed of a rank for one step, 0 to 2^63 - 1."""
    return int(np.random.SeedSequence((seed, number, rank)).generate_state(1, np.uint64)[0]) >> 1


def mean_where(values: Tensor, counted: Tensor) -> Tensor:
    """Return the mean of the values (batch,) selected by `counted` (batch,), a mask on the host."""
    return torch.where(to_device(counted, values.device), values, 0.0).sum() / max(1, int(counted.sum()))
