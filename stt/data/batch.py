"""Utterances, skipped utterances, and padded batches, as passed from the dataset to the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stt.audio.io import Waveform
from stt.models.ctc import frames_needed


@dataclass(frozen=True)
class Utterance:
    """One loaded and tokenized utterance."""

    row: int  # in the manifest
    name: str
    domain: str
    seconds: float
    waveform: Waveform  # (sample,)
    reference: str
    tokens: list[int]
    strength: float = 0.0  # augmentation strength


@dataclass(frozen=True)
class Skipped:
    """A skipped utterance and the reason."""

    row: int
    name: str
    domain: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Padded utterances; tensors are zero after the end of each utterance.

    The lengths for the CTC loss and the inputs of decisions on the host stay on the host: if they were on the
    device, every step would have to wait for them.
    """

    waveforms: Tensor  # (batch, sample)
    lengths: Tensor  # (batch,) samples
    tokens: Tensor  # (batch, token)
    host_lengths: Tensor  # (batch,) samples, on the host
    token_lengths: Tensor  # (batch,) on the host
    strengths: Tensor  # (batch,) augmentation strengths, on the host, where random choices are drawn
    frames_needed: Tensor  # (batch,) on the host: minimum output frames for CTC to align the tokens
    rows: list[int]
    names: list[str]
    domains: list[str]
    references: list[str]
    seconds: list[float]
    skipped: list[Skipped]
    number: int = -1  # index in the stream of training batches

    def __len__(self) -> int:
        """Count the utterances."""
        return len(self.rows)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Batch:
        """Copy the network's input tensors to a device; the host does not wait, as Lightning would have it."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Pin the network's input tensors, so that they can be copied to the device asynchronously."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        waveforms, lengths, tokens = map(function, (self.waveforms, self.lengths, self.tokens))
        return replace(self, waveforms=waveforms, lengths=lengths, tokens=tokens)


def collate(items: Sequence[Utterance | Skipped]) -> Batch:
    """Pad utterances into a batch; skipped ones are passed on.

    A batch in which every utterance was skipped contains half a second of silence that belongs to no row, so that
    every rank still runs its step.
    """
    good = [item for item in items if isinstance(item, Utterance)]
    waveforms = [torch.from_numpy(item.waveform) for item in good] or [torch.zeros(8000)]
    tokens = [torch.tensor(item.tokens, dtype=torch.int64) for item in good] or [torch.zeros(0, dtype=torch.int64)]
    needed = [frames_needed(item.tokens) for item in good] or [0]
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    return Batch(
        waveforms=torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True),
        lengths=lengths,
        tokens=torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True),
        host_lengths=lengths,
        token_lengths=torch.tensor([len(target) for target in tokens]),
        strengths=torch.tensor([item.strength for item in good] or [0.0]),
        frames_needed=torch.tensor(needed),
        rows=[item.row for item in good],
        names=[item.name for item in good],
        domains=[item.domain for item in good],
        references=[item.reference for item in good],
        seconds=[item.seconds for item in good],
        skipped=[item for item in items if isinstance(item, Skipped)],
    )
