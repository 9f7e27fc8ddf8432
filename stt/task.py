"""The LightningModule: features -> encoder -> CTC head -> loss, hypotheses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from stt.audio.augment import Augmentation
from stt.audio.features import LogMel
from stt.data.batch import Batch
from stt.decoding.greedy import Hypothesis, greedy_decode
from stt.errors import InputError
from stt.host import to_device
from stt.models import Encoder
from stt.models.ctc import ctc_losses
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer


class SpeechRecognizer(LightningModule):
    """A CTC speech recognizer that carries its front end, tokenizer and normalizer with it.

    Its checkpoints hold everything that recognition needs and load with `weights_only=True`.
    """

    def __init__(
        self,
        tokenizer: str,
        normalizer: str,
        features: LogMel,
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
            InputError: the tokenizer is not readable or the normalizer is not known.
        """
        super().__init__()
        self.save_hyperparameters()
        self.tokenizer = Tokenizer.load(tokenizer)
        self.normalizer = get_normalizer(normalizer)
        self.features = features
        self.augment = augment
        self.encoder = encoder
        self.head = nn.Linear(encoder.d_model, self.tokenizer.vocab_size)
        self.make_optimizer = optimizer
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.train_domains: list[str] = []
        self.parent_domains: list[str] = []  # what `init_from` was trained on
        self._seed: int | None = None  # of what is drawn on the device while training

    def setup(self, stage: str) -> None:
        """Before training, read what the augmentation needs, and compile the encoder where that is asked for."""
        if stage != "fit":
            return
        self.augment.prepare(self.sample_rate)
        if self.hparams["compile"]:
            self.encoder.compile(dynamic=True)  # in place, so that the names of its weights stay what they are

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms, Hz."""
        return self.features.sample_rate

    @property
    def frame_seconds(self) -> float:
        """Length of an output frame, seconds."""
        one_minute = torch.tensor([60 * self.sample_rate])
        return 60.0 / int(self.output_lengths(one_minute))

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Output frames (batch,) for so many samples (batch,)."""
        return self.encoder.output_lengths(self.features.output_lengths(samples))

    def forward(self, waveforms: Tensor, lengths: Tensor, strengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Turn waveforms (batch, sample) into float32 log_probs (batch, frame, vocab) and lengths (batch,).

        While training they are augmented by `strengths` (batch,), on the host, where these are given.
        """
        if strengths is None:
            strengths = torch.zeros(len(waveforms))
        waveforms = self.augment.waveforms(waveforms, lengths, strengths)
        x, frames = self.features(waveforms, lengths)
        x = self.augment.features(x, frames, strengths)
        x, frames = self.encoder(x, frames)
        return torch.log_softmax(self.head(x).float(), dim=-1), frames

    @torch.inference_mode()
    def transcribe(self, waveforms: Tensor, lengths: Tensor) -> list[Hypothesis]:
        """Recognize waveforms (batch, sample) of `lengths` samples."""
        log_probs, frames = self(waveforms, lengths)
        return greedy_decode(log_probs, frames, self.tokenizer)

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
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, self.warmup_steps, self.total_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the tokenizer itself in place of its path, and say what the model was trained on."""
        checkpoint["hyper_parameters"]["tokenizer"] = self.tokenizer.to_string()
        checkpoint["train_domains"] = self.train_domains
        checkpoint["seed"] = self._seed
        checkpoint["parent_domains"] = self.parent_domains

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what the model was trained on.

        Raises:
            InputError: the checkpoint was trained with another tokenizer than this model has.
        """
        if Tokenizer.load(checkpoint["hyper_parameters"]["tokenizer"]).content_hash != self.tokenizer.content_hash:
            raise InputError("the checkpoint was trained with another tokenizer than the one configured")
        self.train_domains = checkpoint["train_domains"]
        self._seed = checkpoint.get("seed")
        self.parent_domains = checkpoint.get("parent_domains", [])  # older checkpoints do not know it


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
