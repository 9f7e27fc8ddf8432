"""The LightningModule: a recognizer in training, augmentation -> log_probs -> loss."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import torch
from lightning import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer

from stt.audio.augment import Augmentation
from stt.audio.features import FrontEnd
from stt.data.batch import Batch
from stt.decoding.greedy import greedy_decode
from stt.errors import InputError
from stt.host import to_device
from stt.models import Encoder
from stt.models.ctc import ctc_losses
from stt.recognition.description import KEY, description_of
from stt.recognition.recognizer import Recognizer
from stt.text.normalize import Normalizer, get_normalizer
from stt.text.tokenizer import Tokenizer

PREFIX = "recognizer."  # of the names of its weights


class SpeechRecognizer(LightningModule):
    """Trains a recognizer by CTC.

    Its checkpoints describe the recognizer as `Recognizer.save` does, and name the weights in the same way.
    """

    def __init__(
        self,
        tokenizer: str,
        normalizer: str,
        features: FrontEnd,
        encoder: Encoder,
        augment: Augmentation,
        optimizer: OptimizerCallable,
        init_from: str | None = None,
        compile: bool = False,  # noqa: A002  # the word that users of torch know
        warmup_steps: int = 500,
        total_steps: int = 10_000,
    ) -> None:
        """Build the model.

        Args:
            tokenizer: SentencePiece model: a file, or the string a checkpoint holds.
            normalizer: versioned name of the normalizer of the texts.
            features: front end, from waveforms to frames.
            encoder: network from frames to fewer, wider frames.
            augment: augmentation while training.
            optimizer: makes the optimizer from parameter groups.
            init_from: checkpoint to begin with the weights of; the command line loads them before training.
            compile: compile the encoder while training (torch.compile, for any length of batch).
            warmup_steps: optimizer steps in which the learning rate rises to its peak.
            total_steps: optimizer steps after which it has fallen to a hundredth; linked to `trainer.max_steps`.

        Raises:
            InputError: the tokenizer is not readable, the normalizer is not known, or no checkpoint could name the
                front end or the encoder.
        """
        super().__init__()
        self.recognizer = Recognizer(features, encoder, Tokenizer.load(tokenizer), get_normalizer(normalizer))
        self.augment = augment
        self.make_optimizer = optimizer
        self.init_from = init_from
        self.compiled = compile
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.parent_domains: list[str] = []  # what `init_from` was trained on
        self._seed: int | None = None  # of what is drawn on the device while training
        # The weights are called in a checkpoint as they are in the recognizer: nothing tells who wrote it.
        self.register_state_dict_post_hook(_drop_prefix)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_add_prefix)  # type: ignore[no-untyped-call]

    def setup(self, stage: str) -> None:
        """Before training, read what the augmentation needs, and compile the encoder where that is asked for."""
        if stage != "fit":
            return
        self.augment.prepare(self.sample_rate)
        if self.compiled:
            self.recognizer.encoder.compile(dynamic=True)

    @property
    def tokenizer(self) -> Tokenizer:
        """Pieces that the head tells apart."""
        return self.recognizer.tokenizer

    @property
    def normalizer(self) -> Normalizer:
        """Of the texts."""
        return self.recognizer.normalizer

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms, Hz."""
        return self.recognizer.sample_rate

    @property
    def frame_seconds(self) -> float:
        """Length of an output frame, seconds."""
        return self.recognizer.frame_seconds

    @property
    def train_domains(self) -> list[str]:
        """Domains that the recognizer was or is trained on."""
        return self.recognizer.train_domains

    @train_domains.setter
    def train_domains(self, domains: list[str]) -> None:
        self.recognizer.train_domains = domains

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Output frames (batch,) for so many samples (batch,)."""
        return self.recognizer.output_lengths(samples)

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
        frames = self.output_lengths(batch.host_lengths)
        alignable = (frames >= batch.frames_needed) & (batch.token_lengths > 0)
        token_lengths = torch.where(alignable, batch.token_lengths, 0)
        return ctc_losses(log_probs, frames, batch.tokens, token_lengths, self.tokenizer.blank_id), alignable

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
        self.log("train/loss", loss, prog_bar=True, batch_size=max(len(batch), 1))
        return {
            "loss": loss,
            "losses": losses.detach(),
            "counted": counted,
            "log_probs": log_probs.detach(),
            "frames": frames,
            "host_frames": self.output_lengths(batch.host_lengths),
        }

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; the callbacks make error rates of it."""
        return self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; the callbacks make error rates of it."""
        return self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Recognize a batch; a callback writes the texts."""
        log_probs, frames = self(batch.waveforms, batch.lengths)
        return self._recognized(log_probs, frames, batch)

    def _evaluate(self, batch: Batch, split: str) -> dict[str, Any]:
        log_probs, frames = self(batch.waveforms, batch.lengths)
        losses, counted = self.losses(log_probs, batch)
        if len(batch):
            self.log(f"{split}/loss", mean_where(losses, counted), on_epoch=True, batch_size=len(batch), sync_dist=True)
        return self._recognized(log_probs, frames, batch)

    def _recognized(self, log_probs: Tensor, frames: Tensor, batch: Batch) -> dict[str, Any]:
        hypotheses = greedy_decode(log_probs, frames, self.tokenizer)[: len(batch)]
        return {"hypotheses": hypotheses, "log_probs": log_probs, "frames": frames}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimizer by the config, warm-up and cosine decay over an explicit number of steps.

        Scales and biases are not decayed: pulling them to zero does not regularize, it distorts.
        """
        matrices = [parameter for parameter in self.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.parameters() if parameter.ndim <= 1]
        optimizer = self.make_optimizer([{"params": matrices}, {"params": vectors, "weight_decay": 0.0}])
        optimizer.register_load_state_dict_pre_hook(_as_configured)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, self.warmup_steps, self.total_steps)
        )
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
        if Tokenizer.from_string(description["tokenizer"]).content_hash != self.tokenizer.content_hash:
            raise InputError("the checkpoint was trained with another tokenizer than the one configured")
        self.train_domains = description["train_domains"]
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
    parts = {f"{prefix}{part}" for part, _ in cast(SpeechRecognizer, module).recognizer.named_children()}
    for name in [name for name in state if name.rpartition(".")[0].startswith(tuple(parts))]:
        state[prefix + PREFIX + name.removeprefix(prefix)] = state.pop(name)


def step_seed(seed: int, number: int, rank: int) -> int:
    """Seed of what a rank draws in a step, 0 to 2^63 - 1."""
    return int(np.random.SeedSequence((seed, number, rank)).generate_state(1, np.uint64)[0]) >> 1


def mean_where(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of those values (batch,) that count; `counted` (batch,) is on the host."""
    return torch.where(to_device(counted, values.device), values, 0.0).sum() / max(1, int(counted.sum()))


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """Share of the peak learning rate at a step: linear rise, then a cosine down to one hundredth."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
