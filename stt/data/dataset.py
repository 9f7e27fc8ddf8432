"""Utterances of a manifest by row: audio read, text normalized and tokenized."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from stt.audio.augmentation.host import augment_waveform
from stt.audio.io import AudioError, durations_agree
from stt.corpus.manifest import Manifest
from stt.data.batch import Skipped, Utterance
from stt.errors import InputError
from stt.models.ctc import frames_needed
from stt.sampling.base import SampledRow
from stt.text.normalize import Normalizer
from stt.text.tokenizer import Tokenizer


class Reader(Protocol):
    """What reading needs to know of a recognizer, so that a checkpoint decides and not a second config."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Pieces that texts are written in."""
        ...

    @property
    def normalizer(self) -> Normalizer:
        """Of the texts."""
        ...

    @property
    def sample_rate(self) -> int:
        """Rate of the waveforms, Hz."""
        ...

    @property
    def frame_seconds(self) -> float:
        """Length of an output frame, seconds."""
        ...

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Output frames (batch,) for so many samples (batch,)."""
        ...


class UtteranceDataset(Dataset[Utterance | Skipped]):
    """Rows of a manifest; what cannot be used comes back as `Skipped`, never as an exception."""

    def __init__(self, manifest: Manifest, model: Reader, training: bool) -> None:
        """Set up reading.

        Args:
            manifest: the utterances.
            model: its tokenizer makes the targets, its normalizer the references, where the manifest was
                not made with it already.
            training: leave out utterances whose text cannot be learned; in evaluation they stay, because
                an error rate over fewer utterances would be another one.
        """
        self.manifest = manifest
        # Not the model itself: worker processes would get a copy of its weights.
        self.tokenizer = model.tokenizer
        self.normalizer = model.normalizer
        self.sample_rate = model.sample_rate
        self.frame_seconds = model.frame_seconds
        self.training = training
        self.normalized = manifest.normalizer == model.normalizer.name

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.manifest)

    def __getitem__(self, item: int | SampledRow) -> Utterance | Skipped:
        """Read one row; one that was sampled for training is distorted by its strength."""
        row = item if isinstance(item, int) else item.row
        name = self.manifest.name(row)
        try:
            reference, tokens = self.target(row)
            waveform = self.manifest.waveform(row, self.sample_rate)
        except AudioError as error:
            return Skipped(row, name, "unreadable audio", str(error))
        except InputError as error:
            return Skipped(row, name, "unusable text", str(error))
        seconds = len(waveform) / self.sample_rate
        promised = float(self.manifest.durations[row])
        if self.training and not durations_agree(promised, seconds):
            return Skipped(
                row, name, "wrong duration", f"{promised:.2f} s in the manifest, {seconds:.2f} s in the file"
            )
        strength = 0.0
        if isinstance(item, SampledRow) and item.strength:
            strength = item.strength
            max_speed = seconds / ((frames_needed(tokens) + 1) * self.frame_seconds)
            rng = np.random.default_rng(item.seed)
            waveform = augment_waveform(waveform, self.sample_rate, strength, rng, max_speed)
            seconds = len(waveform) / self.sample_rate
        domain = str(self.manifest.value(row, "domain"))
        return Utterance(row, name, domain, seconds, waveform, reference, tokens, strength)

    def target(self, row: int) -> tuple[str, list[int]]:
        """Give the normalized reference of a row and its tokens; no tokens in evaluation if it has none.

        Raises:
            InputError: in training, if the text is empty, refused by the normalizer or outside the tokenizer.
        """
        text = self.manifest.text(row)
        if not self.normalized:
            normalized = self.normalizer(text)
            if self.training and normalized.refused:
                raise InputError(f"the normalizer refuses {', '.join(normalized.refused)} in {text!r}")
            text = normalized.text
        if not self.training:
            return text, self.tokenizer.encode(text) if set(text) <= self.tokenizer.alphabet else []
        if not text:
            raise InputError("the text is empty")
        return text, self.tokenizer.encode(text)
