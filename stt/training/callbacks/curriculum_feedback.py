"""The feedback loop of the curriculum: what each training batch showed goes back to the stream of batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from stt.data.batch import Batch
from stt.decoding.greedy import emitted_tokens
from stt.metrics.error_rate import character_error_rate
from stt.models.ctc import ctc_losses
from stt.sampling.observations import Observations
from stt.tensors import HostCopy
from stt.text.tokenizer import Tokenizer
from stt.training.callbacks.access import model_of, stream_of


@dataclass(frozen=True)
class PendingObservations:
    """What a training step leaves to observe, on its way from the device."""

    batch: Batch
    tokenizer: Tokenizer
    tokens: HostCopy  # (batch, frame) tokens of the greedy hypothesis, -1 where a frame emits none
    losses: HostCopy  # (batch, 2) loss per token against the own and against another label
    counted: Tensor  # (batch, 2) which of them mean something, on the host
    judge_labels: bool

    @classmethod
    def of(
        cls, batch: Batch, outputs: dict[str, Tensor], tokenizer: Tokenizer, judge_labels: bool
    ) -> PendingObservations:
        """Start the copies, without waiting for the device."""
        log_probs, frames = outputs["log_probs"], outputs["frames"]
        tokens = emitted_tokens(log_probs, frames, tokenizer.blank_id).to(torch.int16)
        own, counted = outputs["losses"], outputs["counted"]
        other, usable = own, torch.zeros_like(counted)
        if judge_labels:
            other, usable = random_losses(log_probs, outputs["host_frames"], batch, tokenizer.blank_id)
        losses = HostCopy(torch.stack([own, other], dim=1))
        return cls(batch, tokenizer, HostCopy(tokens), losses, torch.stack([counted, usable], dim=1), judge_labels)

    def read(self) -> Observations:
        """Wait for the copies and compare with the references."""
        batch, tokens = self.batch, self.tokens.read().numpy()
        losses = torch.where(self.counted, self.losses.read(), torch.nan).numpy()
        hypotheses = [self.tokenizer.decode(row[row >= 0].tolist()) for row in tokens[: len(batch)]]
        pairs = zip(batch.references, hypotheses, strict=True)
        cers = [character_error_rate(reference, hypothesis) for reference, hypothesis in pairs]
        values = np.column_stack([np.array(cers, np.float32), losses[: len(batch)], np.ones(len(batch), np.float32)])
        texts = dict(zip(batch.rows, hypotheses, strict=True)) if self.judge_labels else {}
        return Observations(np.array(batch.rows, np.int64), np.where(np.isfinite(values), values, np.nan), texts)


@torch.no_grad()
def random_losses(log_probs: Tensor, frames: Tensor, batch: Batch, blank_id: int) -> tuple[Tensor, Tensor]:
    """CTC loss per token (batch,) of each utterance against the label of its neighbour in the batch.

    Gives as well, on the host like `frames` (batch,), which of them mean something: where that label
    is another one and does not need more frames.
    """
    needed, lengths = batch.frames_needed.roll(1), batch.token_lengths.roll(1)
    usable = (frames >= needed) & (lengths > 0)
    losses = ctc_losses(log_probs, frames, batch.tokens.roll(1, dims=0), torch.where(usable, lengths, 0), blank_id)
    other = [a != b for a, b in zip(batch.references, batch.references[-1:] + batch.references[:-1], strict=True)]
    return losses, usable & torch.tensor(other or [False])


class CurriculumFeedback(Callback):
    """Hands the CER, and where the sampler judges labels the losses, of each training batch to the stream of batches.

    A sampler that learns from them cannot do without. The hypotheses are the greedy ones of the training batch itself,
    so observing costs no second forward pass; the stream reads them a batch late, when the device has them ready.
    What the sampler has to say of its domains is logged as `curriculum/...` whenever it has learned something.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Start copying what this batch showed."""
        stream = stream_of(trainer)
        tokenizer = model_of(pl_module).recognizer.tokenizer
        pending = PendingObservations.of(batch, outputs, tokenizer, stream.sampler.needs_feedback)
        log_now(trainer, stream.observe(batch.number, pending.read))


def log_now(trainer: Trainer, metrics: dict[str, float]) -> None:
    """Log metrics of the step that has just been made, whatever `log_every_n_steps` says: they come seldom."""
    if metrics:
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step - 1)
