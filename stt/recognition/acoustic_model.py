"""What transcription and evaluation need of a model, whatever computes it: a checkpoint with torch, or an export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stt.audio.io import Waveform
from stt.decoding.options import DecoderOptions
from stt.text.normalize import Normalizer
from stt.text.tokenizer import Tokenizer

LogProbs = npt.NDArray[np.float32]  # (batch, frame, vocab)
NOT_A_NUMBER = "the network's output is not a number (NaN); use another checkpoint or precision"
Lengths = npt.NDArray[np.int64]  # (batch,)


class AcousticModel(Protocol):
    """A network from waveforms to log_probs, with all that is needed to make texts of them."""

    train_domains: list[str]  # domains of the training data
    utterance_seconds: float | None  # three quarters of the training utterances were no longer

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, Hz."""
        ...

    @property
    def frame_samples(self) -> int:
        """Number of samples from one output frame to the next."""
        ...

    @property
    def frame_seconds(self) -> float:
        """Duration of an output frame, seconds."""
        ...

    @property
    def tokenizer(self) -> Tokenizer:
        """Tokenizer whose pieces are the classes of the output."""
        ...

    @property
    def normalizer(self) -> Normalizer:
        """Normalizer of the training texts."""
        ...

    @property
    def decoder_options(self) -> DecoderOptions:
        """The decoder that belongs to the model."""
        ...

    def compute(self, waveforms: Waveform, lengths: Lengths) -> tuple[LogProbs, Lengths]:
        """Map waveforms (batch, sample), zero after `lengths` (batch,), to log_probs and numbers of frames."""
        ...


def padded(waveforms: Sequence[Waveform]) -> tuple[Waveform, Lengths]:
    """Return waveforms (sample,) as one array (batch, sample), zero after their lengths (batch,)."""
    lengths = np.array([len(waveform) for waveform in waveforms])
    batch = np.zeros((len(waveforms), lengths.max()), np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return batch, lengths
