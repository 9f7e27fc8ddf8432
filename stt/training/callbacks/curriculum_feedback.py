"""The feedback loop of the curriculum: observations of each training batch go back to the batch stream."""

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
from stt.sampling.observations import Observations
from stt.tensors import HostCopy
from stt.text.tokenizer import Tokenizer
from stt.training.callbacks.access import model_of, stream_of


@dataclass(frozen=True)
class PendingObservations:
    """Observations of a training step that are being copied from the device."""

    batch: Batch
    tokenizer: Tokenizer
    tokens: HostCopy  # (batch, frame) tokens of the greedy hypothesis, -1 where a frame emits none
    losses: HostCopy  # (batch, 2) loss per token for its own label and for another utterance's
    counted: Tensor  # (batch, 2) mask of the valid losses, on the host
    judge_labels: bool

    @classmethod
    def of(
        cls, batch: Batch, outputs: dict[str, Tensor], tokenizer: Tokenizer, judge_labels: bool
    ) -> PendingObservations:
        """Start the copies without waiting for the device."""
        log_probs, frames = outputs["log_probs"], outputs["frames"]
        tokens = emitted_tokens(log_probs, frames, tokenizer.blank_id).to(torch.int16)
        own, counted = outputs["losses"], outputs["counted"]
        other, usable = own, torch.zeros_like(counted)
        if judge_labels:
            other, usable = outputs["random_losses"], outputs["random_counted"]
        losses = HostCopy(torch.stack([own, other], dim=1))
        return cls(batch, tokenizer, HostCopy(tokens), losses, torch.stack([counted, usable], dim=1), judge_labels)

    def read(self) -> Observations:
        """Wait for the copies and score the hypotheses against the references."""
        batch, tokens = self.batch, self.tokens.read().numpy()
        losses = torch.where(self.counted, self.losses.read(), torch.nan).numpy()
        hypotheses = [self.tokenizer.decode(row[row >= 0].tolist()) for row in tokens[: len(batch)]]
        pairs = zip(batch.references, hypotheses, strict=True)
        cers = [character_error_rate(reference, hypothesis) for reference, hypothesis in pairs]
        values = np.column_stack([np.array(cers, np.float32), losses[: len(batch)], np.ones(len(batch), np.float32)])
        texts = dict(zip(batch.rows, hypotheses, strict=True)) if self.judge_labels else {}
        return Observations(np.array(batch.rows, np.int64), np.where(np.isfinite(values), values, np.nan), texts)


class CurriculumFeedback(Callback):
    """Passes CERs of each training batch, and losses if the sampler looks for label errors, to the batch stream.

    Samplers that adapt need it. The hypotheses are decoded greedily from the training step's own outputs, so there is
    no second forward pass; losses come from the step, whose CTC waits for the device anyway. The stream reads them one
    batch later, when the copies are ready. The sampler's metrics by domain are logged as `curriculum/...` after each
    update.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask for the losses that judge labels if the sampler needs them."""
        model_of(pl_module).judges_labels = stream_of(trainer).sampler.needs_feedback

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Start copying the observations of this batch."""
        stream = stream_of(trainer)
        tokenizer = model_of(pl_module).recognizer.tokenizer
        pending = PendingObservations.of(batch, outputs, tokenizer, stream.sampler.needs_feedback)
        log_now(trainer, stream.observe(batch.number, pending.read))


def log_now(trainer: Trainer, metrics: dict[str, float]) -> None:
    """Log metrics of the latest step regardless of `log_every_n_steps`, because they are rare."""
    if metrics:
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step - 1)
