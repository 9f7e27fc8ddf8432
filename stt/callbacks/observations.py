"""Observes the CER of what is trained on, exchanges it between ranks and closes each round of sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from stt.curriculum.observed import Observed, merge
from stt.data.batch import Batch
from stt.data.datamodule import SpeechDataModule
from stt.decoding.greedy import emitted_tokens
from stt.host import HostCopy
from stt.metrics.error_rate import character_error_rate
from stt.models.ctc import ctc_losses
from stt.ranks import gathered
from stt.task import SpeechRecognizer
from stt.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Step:
    """What a training step leaves to observe, on its way from the device."""

    batch: Batch
    tokenizer: Tokenizer
    tokens: HostCopy  # (batch, frame) tokens of the greedy hypothesis, -1 where a frame emits none
    losses: HostCopy  # (batch, 2) loss per token against the own and against another label
    counted: Tensor  # (batch, 2) which of them mean something, on the host
    wants_doubts: bool

    @classmethod
    def of(cls, batch: Batch, outputs: dict[str, Tensor], tokenizer: Tokenizer, wants_doubts: bool) -> Step:
        """Start the copies, without waiting for the device."""
        log_probs, frames = outputs["log_probs"], outputs["frames"]
        tokens = emitted_tokens(log_probs, frames, tokenizer.blank_id).to(torch.int16)
        own, counted = outputs["losses"], outputs["counted"]
        other, usable = own, torch.zeros_like(counted)
        if wants_doubts:
            other, usable = random_losses(log_probs, outputs["host_frames"], batch, tokenizer.blank_id)
        losses = HostCopy(torch.stack([own, other], dim=1))
        return cls(batch, tokenizer, HostCopy(tokens), losses, torch.stack([counted, usable], dim=1), wants_doubts)

    def observed(self) -> Observed:
        """Wait for the copies and compare with the references."""
        batch, tokens = self.batch, self.tokens.read().numpy()
        losses = torch.where(self.counted, self.losses.read(), torch.nan).numpy()
        hypotheses = [self.tokenizer.decode(row[row >= 0].tolist()) for row in tokens[: len(batch)]]
        pairs = zip(batch.references, hypotheses, strict=True)
        cers = [character_error_rate(reference, hypothesis) for reference, hypothesis in pairs]
        values = np.concatenate([np.array(cers, np.float32).reshape(-1, 1), losses[: len(batch)]], axis=1)
        texts = dict(zip(batch.rows, hypotheses, strict=True)) if self.wants_doubts else {}
        return Observed(np.array(batch.rows, np.int64), np.where(np.isfinite(values), values, np.nan), texts)


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


class Observations(Callback):
    """Logs `curriculum/...` by domain once a round.

    The hypotheses are the greedy ones of the training batch itself, so observing costs no second
    forward pass; they are read a step late, when the device has them ready.
    """

    def __init__(self) -> None:
        """Start without observations."""
        self._parts: list[Observed] = []
        self._trainer: Trainer | None = None
        self._previous: Step | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember the trainer, for the exchange when a state is saved."""
        self._trainer = trainer

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Start copying what this step showed, and read what the previous one did."""
        tokenizer = cast(SpeechRecognizer, pl_module).tokenizer
        step = Step.of(batch, outputs, tokenizer, _datamodule(trainer).sampling.wants_doubts)
        self._observe()
        self._previous = step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the round, unless training stops in the middle of it."""
        self._observe()
        datamodule = _datamodule(trainer)
        if not datamodule.round_is_finished:
            return
        observed = merge([part for parts in gathered(trainer, self._parts) for part in parts])
        self._parts = []
        pl_module.log_dict(datamodule.close_round(observed))

    def state_dict(self) -> dict[str, Any]:
        """Observations of a round that is not closed yet, the last step included, of all ranks (each must ask)."""
        self._observe()
        assert self._trainer is not None
        return {"ranks": [_plain(parts) for parts in gathered(self._trainer, self._parts)]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them, each rank with its own; with another number of ranks, close that round at once."""
        assert self._trainer is not None
        ranks = [_datamodule(self._trainer).restored(_observed(part)) for part in state_dict["ranks"]]
        if len(ranks) == self._trainer.world_size:
            self._parts = [ranks[self._trainer.global_rank]]
        else:
            _datamodule(self._trainer).close_left_round(merge(ranks))

    def _observe(self) -> None:
        if self._previous is not None:
            self._parts.append(self._previous.observed())
            self._previous = None


def _datamodule(trainer: Trainer) -> SpeechDataModule:
    return cast(SpeechDataModule, trainer.datamodule)  # type: ignore[attr-defined]


def _plain(parts: list[Observed]) -> dict[str, Any]:
    """Observations as a checkpoint can hold them."""
    whole = merge(parts)
    rows, values = torch.from_numpy(whole.rows), torch.from_numpy(whole.values)
    return {"rows": rows, "values": values, "hypotheses": whole.hypotheses}


def _observed(plain: dict[str, Any]) -> Observed:
    return Observed(plain["rows"].numpy(), plain["values"].numpy(), plain["hypotheses"])
