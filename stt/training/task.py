"""The LightningModule: a recognizer in training, augmentation -> log_probs -> loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import torch
from lightning import Callback, LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from stt.audio.augmentation.device import Augmentation
from stt.audio.features import FrontEnd, LogMel
from stt.data.batch import Batch
from stt.data.preprocessing import Preprocessing
from stt.decoding.greedy import greedy_decode
from stt.errors import InputError
from stt.metrics.domain_metric import DomainMetric, standard_and
from stt.models import ConvTransformer, Encoder
from stt.models.ctc import ctc_losses
from stt.recognition.description import KEY, description_of
from stt.recognition.recognizer import Recognizer
from stt.runs.metric_names import PREFIX as LOGGED
from stt.runs.metric_names import TRAIN_LOSS, Split
from stt.tensors import to_device
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer
from stt.training.callbacks.defaults import add_default_callbacks
from stt.training.datamodule import SpeechDataModule
from stt.training.schedule import WarmupCosine, needs_total_steps

PREFIX = "recognizer."  # of the names of its weights


def adamw(parameters: Iterable[Any]) -> Optimizer:
    """The optimizer, where nobody names one."""
    return torch.optim.AdamW(parameters, lr=1e-3, fused=True)


class SpeechTask(LightningModule):
    """Trains a recognizer by CTC: `Trainer(max_steps=...).fit(model, data)`, with all that a run needs.

    Its checkpoints describe the recognizer as `Recognizer.save` does, and name the weights in the same way.

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
        optimizer: OptimizerCallable = adamw,
        lr_scheduler: LRSchedulerCallable = WarmupCosine,
        metrics: list[DomainMetric] | None = None,
        init_from: str | None = None,
        compile: bool = False,  # noqa: A002  # the word that users of torch know
    ) -> None:
        """Build the model; without arguments it is of the size `tiny`, or with `init_from` of that one's.

        Args:
            tokenizer: SentencePiece model: a file, or the string a checkpoint holds; None takes that of `init_from`.
            normalizer: versioned name of the normalizer of the texts; None takes `plain-1`.
            features: front end, from waveforms to frames.
            encoder: network from frames to fewer, wider frames.
            augment: augmentation while training.
            optimizer: makes the optimizer from parameter groups.
            lr_scheduler: makes the schedule of the learning rate, which is stepped with the optimizer; one that has an
                argument `total_steps` which is not set gets `trainer.max_steps`.
            metrics: what is measured in every domain beside CER and WER.
            init_from: checkpoint that training begins with the weights of; resumed, it has its own.
            compile: compile the encoder while training (torch.compile, for any length of batch).

        Raises:
            InputError: the tokenizer or the checkpoint is not readable, the normalizer is not known, no checkpoint
                could name the front end or the encoder, or two metrics have the same name.
        """
        super().__init__()
        if init_from and (not tokenizer or features is None or encoder is None):
            parent = Recognizer.load(init_from).train()
            tokenizer = tokenizer or parent.tokenizer.to_string()
            features, encoder = features or parent.features, encoder or parent.encoder
        features = features or LogMel()
        encoder = encoder or ConvTransformer(n_mels=features.n_mels)
        text = get_normalizer(normalizer or "plain-1")
        self.recognizer = Recognizer(features, encoder, Tokenizer.load(tokenizer or ""), text)
        self.augment = augment or Augmentation()
        self.make_optimizer = optimizer
        self.make_schedule = lr_scheduler
        self.metrics = standard_and(metrics or ())
        self.init_from = init_from
        self.compiled = compile
        self.parent_domains: list[str] = []  # what `init_from` was trained on
        self._seed: int | None = None  # of what is drawn on the device while training
        # The weights are called in a checkpoint as they are in the recognizer: nothing tells who wrote it.
        self.register_state_dict_post_hook(_drop_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_add_prefix)  # type: ignore[no-untyped-call]

    def configure_callbacks(self) -> list[Callback]:
        """Give the Trainer what every run needs, and the data how they are read; Lightning calls it first of all.

        Raises:
            InputError: the data come from something else than a `SpeechDataModule`, or read otherwise.
        """
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, SpeechDataModule):
            raise InputError("the data must be a SpeechDataModule: trainer.fit(model, data)")
        data.set_preprocessing(self.preprocessing())
        add_default_callbacks(self.trainer)
        return []  # they are in the Trainer already, in their order

    def preprocessing(self) -> Preprocessing:
        """How audio and texts are read for this model."""
        recognizer = self.recognizer
        return Preprocessing(
            recognizer.tokenizer,
            recognizer.sample_rate,
            self.augment.strength,
            recognizer.normalizer.name,
            recognizer.output_lengths,
        )

    def setup(self, stage: str) -> None:
        """Before training, read what the augmentation needs, and compile the encoder where that is asked for."""
        if stage != "fit":
            return
        self.augment.prepare(self.recognizer.sample_rate)
        if self.compiled:
            self.recognizer.encoder.compile(dynamic=True)

    def on_fit_start(self) -> None:
        """Write down which domains are trained on; a training that is resumed knows of those before."""
        domains = self.trainer.datamodule.domains("train")  # type: ignore[attr-defined]
        self.recognizer.train_domains = list(dict.fromkeys([*self.recognizer.train_domains, *domains]))

    def forward(self, waveforms: Tensor, lengths: Tensor, strengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) into float32 log_probs (batch, frame, vocab) and lengths (batch,).

        While training they are augmented by `strengths` (batch,), on the host, where these are given.
        """
        if strengths is None:
            strengths = torch.zeros(len(waveforms))
        waveforms = self.augment.waveforms(waveforms, lengths, strengths)
        x, frames = self.recognizer.features(waveforms, lengths)
        return self.recognizer.log_probs(self.augment.features(x, frames, strengths), frames)

    def losses(self, log_probs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """CTC losses per token (batch,), and, on the host, which of them count (batch,).

        An utterance that cannot be aligned with the frames it really has, after augmentation, gets
        an empty target, so that its gradient is finite, and does not count. Non-finite losses do
        count: they make the whole step non-finite, and the step is skipped.
        """
        frames = self.recognizer.output_lengths(batch.host_lengths)
        alignable = (frames >= batch.frames_needed) & (batch.token_lengths > 0)
        token_lengths = torch.where(alignable, batch.token_lengths, 0)
        return ctc_losses(log_probs, frames, batch.tokens, token_lengths, self.recognizer.tokenizer.blank_id), alignable

    def on_train_start(self) -> None:
        """Settle what chance follows from: the seed that is set now, where no checkpoint brought one."""
        if self._seed is None:
            self._seed = torch.initial_seed()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let dropout and augmentation follow from the seed, the batch and the rank, and from nothing before."""
        torch.manual_seed(step_seed(self._seed or 0, batch.number, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Mean CTC loss over the utterances that count."""
        log_probs, frames = self(batch.waveforms, batch.lengths, batch.strengths)
        losses, counted = self.losses(log_probs, batch)
        loss = mean_where(losses, counted)
        self.log(TRAIN_LOSS, loss, prog_bar=True, batch_size=max(len(batch), 1))
        return {
            "loss": loss,
            "losses": losses.detach(),
            "counted": counted,
            "log_probs": log_probs.detach(),
            "frames": frames,
            "host_frames": self.recognizer.output_lengths(batch.host_lengths),
        }

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; the callbacks make error rates of it."""
        return self._evaluate(batch, "validate")

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; the callbacks make error rates of it."""
        return self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; a callback writes the texts."""
        log_probs, frames = self(batch.waveforms, batch.lengths)
        return self._recognized(log_probs, frames, batch)

    def _evaluate(self, batch: Batch, split: Split) -> dict[str, Any]:
        log_probs, frames = self(batch.waveforms, batch.lengths)
        losses, counted = self.losses(log_probs, batch)
        if len(batch):
            name = f"{LOGGED[split]}/loss"
            self.log(name, mean_where(losses, counted), on_epoch=True, batch_size=len(batch), sync_dist=True)
        return self._recognized(log_probs, frames, batch)

    def _recognized(self, log_probs: Tensor, frames: Tensor, batch: Batch) -> dict[str, Any]:
        hypotheses = greedy_decode(log_probs, frames, self.recognizer.tokenizer)[: len(batch)]
        return {"hypotheses": hypotheses, "log_probs": log_probs, "frames": frames}

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Optimizer and schedule as configured; the schedule is as long as the training.

        Scales and biases are not decayed: pulling them to zero does not regularize, it distorts.

        Raises:
            InputError: the schedule asks for the length of the training, and nobody has set one.
        """
        matrices = [parameter for parameter in self.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.parameters() if parameter.ndim <= 1]
        optimizer = self.make_optimizer([{"params": matrices}, {"params": vectors, "weight_decay": 0.0}])
        optimizer.register_load_state_dict_pre_hook(_as_configured)
        length = {}
        if needs_total_steps(self.make_schedule):
            length = {"total_steps": self.trainer.max_steps}
            if self.trainer.max_steps <= 0:
                raise InputError("the learning rate is scheduled over the whole training: set trainer.max_steps")
        schedule = self.make_schedule(optimizer, **length)
        if isinstance(schedule, ReduceLROnPlateau):
            raise InputError("ReduceLROnPlateau waits for a validation, and schedules are stepped with the optimizer")
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describe the recognizer, so that the checkpoint is all that recognition needs."""
        checkpoint[KEY] = self.recognizer.description()
        checkpoint["seed"] = self._seed
        checkpoint["parent_domains"] = self.parent_domains

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what the model was trained on.

        Raises:
            InputError: the checkpoint was trained with another tokenizer than this model has.
        """
        description = description_of(checkpoint)
        if Tokenizer.from_string(description["tokenizer"]).content_hash != self.recognizer.tokenizer.content_hash:
            raise InputError("the checkpoint was trained with another tokenizer than the one configured")
        self.recognizer.train_domains = description["train_domains"]
        seed = checkpoint.get("seed")
        self._seed = seed if isinstance(seed, int) else None
        self.parent_domains = checkpoint.get("parent_domains", [])  # nothing that `Recognizer.save` writes


def _as_configured(optimizer: Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Let a resumed training keep what it had learned of its steps, and compute them as this machine is told to."""
    if not all(set(optimizer.defaults) <= set(group) for group in state["param_groups"]):
        raise InputError(
            f"the checkpoint was trained with another optimizer than {type(optimizer).__name__}: "
            "resume with the configuration that it was trained with"
        )
    own = {name: optimizer.defaults[name] for name in ("foreach", "fused") if name in optimizer.defaults}
    return {**state, "param_groups": [{**group, **own} for group in state["param_groups"]]}


def _drop_prefix(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    for name in [name for name in state if name.startswith(prefix + PREFIX)]:
        state[prefix + name.removeprefix(prefix + PREFIX)] = state.pop(name)


def _add_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    parts = {f"{prefix}{part}" for part, _ in cast(SpeechTask, module).recognizer.named_children()}
    for name in [name for name in state if name.rpartition(".")[0].startswith(tuple(parts))]:
        state[prefix + PREFIX + name.removeprefix(prefix)] = state.pop(name)


def step_seed(seed: int, number: int, rank: int) -> int:
    """Seed of what a rank draws in a step, 0 to 2^63 - 1."""
    return int(np.random.SeedSequence((seed, number, rank)).generate_state(1, np.uint64)[0]) >> 1


def mean_where(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of those values (batch,) that count; `counted` (batch,) is on the host."""
    return torch.where(to_device(counted, values.device), values, 0.0).sum() / max(1, int(counted.sum()))
