"""Dataset of a manifest's utterances: reads the audio, normalizes and tokenizes the text."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from stt.audio.augmentation.host import augment_waveform
from stt.audio.io import AudioError, Waveform, durations_agree
from stt.corpus.manifest import Manifest
from stt.data.batch import Skipped, Utterance
from stt.errors import InputError
from stt.models.ctc import frames_needed
from stt.sampling.base import SampledRow
from stt.text.normalize import Normalizer
from stt.text.tokenizer import Tokenizer


class DatasetPreprocessing(Protocol):
    """What a dataset needs from a recognizer, so that the checkpoint defines it and not a second config."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Tokenizer of the targets."""
        ...

    @property
    def normalizer(self) -> Normalizer:
        """Normalizer of the texts."""
        ...

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, Hz."""
        ...

    @property
    def frame_seconds(self) -> float:
        """Duration of an output frame, seconds."""
        ...


class PreprocessingProtocol(DatasetPreprocessing, Protocol):
    """What training needs in addition: which utterances CTC can align."""

    def output_lengths(self, samples: Tensor) -> Tensor:
        """Return the number of output frames (batch,) for numbers of samples (batch,)."""
        ...


class UtteranceDataset(Dataset[Utterance | Skipped]):
    """Rows of a manifest; unusable utterances are returned as `Skipped`, never raised as exceptions."""

    def __init__(self, manifest: Manifest, preprocessing: DatasetPreprocessing, training: bool) -> None:
        """Set up the dataset.

        Args:
            manifest: the utterances.
            preprocessing: its tokenizer encodes the targets; its normalizer is applied to the references unless the
                manifest was already made with it.
            training: skip utterances whose text cannot be learned; in evaluation they are kept, because an error rate
                over fewer utterances would not be comparable. Audio that is unreadable, silent or of another duration
                than in the manifest is always skipped.
        """
        self.manifest = manifest
        # Not the whole object: if it is a model, every worker process would get a copy of its weights.
        self.tokenizer = preprocessing.tokenizer
        self.normalizer = preprocessing.normalizer
        self.sample_rate = preprocessing.sample_rate
        self.frame_seconds = preprocessing.frame_seconds
        self.training = training
        self.normalized = manifest.normalizer == preprocessing.normalizer.name

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.manifest)

    def __getitem__(self, item: int | SampledRow) -> Utterance | Skipped:
        """Load one row; a row sampled for training is augmented with its strength."""
        row = item if isinstance(item, int) else item.row
        name, domain = self.manifest.name(row), str(self.manifest.value(row, "domain"))
        try:
            reference, tokens = self.target(row)
            waveform = self.manifest.waveform(row, self.sample_rate)
        except AudioError as error:
            return Skipped(row, name, domain, "unreadable audio", str(error))
        except InputError as error:
            return Skipped(row, name, domain, "unusable text", str(error))
        seconds = len(waveform) / self.sample_rate
        changed = self._changed(row, seconds, waveform, reference)
        if changed:
            kind, why = changed
            return Skipped(row, name, domain, kind, f"{self.manifest.where(row)}: {self.manifest.audio(row)}: {why}")
        strength = 0.0
        if isinstance(item, SampledRow) and item.strength:
            strength = item.strength
            max_speed = seconds / ((frames_needed(tokens) + 1) * self.frame_seconds)
            rngs = np.random.default_rng(item.seed), np.random.default_rng(item.batch_seed)
            waveform = augment_waveform(waveform, self.sample_rate, strength, *rngs, max_speed)
            seconds = len(waveform) / self.sample_rate
        return Utterance(row, name, domain, seconds, waveform, reference, tokens, strength)

    def _changed(self, row: int, seconds: float, waveform: Waveform, reference: str) -> tuple[str, str] | None:
        """Return kind and reason if the audio cannot be that of the manifest.

        Silence is skipped like a missing file, and for the same reason: it holds nothing of the text, so its errors
        would be those of the corpus and not of the recognizer.
        """
        expected = float(self.manifest.durations[row])
        if not durations_agree(expected, seconds):
            return "wrong duration", f"{expected:.2f} s in the manifest, {seconds:.2f} s in the file"
        if reference and waveform.min() == waveform.max():
            return "silence", "all samples are equal, but the text is not empty"
        return None

    def target(self, row: int) -> tuple[str, list[int]]:
        """Return the normalized reference of a row and its tokens; in evaluation, no tokens if it cannot be encoded.

        Raises:
            InputError: in training, if the text is empty, rejected by the normalizer or outside the alphabet.
        """
        text = self.manifest.text(row)
        if not self.normalized:
            normalized = self.normalizer(text)
            if self.training and normalized.rejected:
                raise InputError(f"the normalizer rejects {', '.join(normalized.rejected)} in {text!r}")
            text = normalized.text
        if not self.training:
            return text, self.tokenizer.encode(text) if set(text) <= self.tokenizer.alphabet else []
        if not text:
            raise InputError("the text is empty")
        return text, self.tokenizer.encode(text)
