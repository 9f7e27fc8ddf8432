"""Rows of a manifest as a network hears them: what the steps share that judge labels or make them.

The network runs once: whoever needs more than the hypothesis, such as the CTC loss of a text, takes it from the
`log_probs` of a row before asking for the next batch.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from stt.corpus.manifest import Manifest
from stt.data.batch import Skipped
from stt.data.loader import sorted_batches
from stt.decoding.decoder import Decoder
from stt.decoding.options import DecoderOptions
from stt.files import file_hash
from stt.inference.folder import MODEL
from stt.inference.load import load
from stt.metrics.error_rate import character_error_rate
from stt.models.ctc import ctc_losses
from stt.recognition.acoustic_model import AcousticModel
from stt.recognition.decoders import build_decoder
from stt.recognition.evaluate import BATCH_SECONDS, run_batches
from stt.registry import import_packages, imported_packages
from stt.sampling.base import SampledRow
from stt.text.tokenizer import Tokenizer

MAX_SECONDS = BATCH_SECONDS  # of a row: the memory of attention grows with the square
WORST_SCORE = -1e3  # of what the network cannot have said


@dataclass(frozen=True)
class RecognizedRow:
    """A row and what was recognized.

    Attributes:
        row: index in the manifest.
        reference: the row's text as the recognizer's normalizer leaves it; empty if it has none.
        hypothesis: what was recognized.
        score: log-likelihood of the hypothesis over all of its alignments, nats per token: 0 if the network is sure,
            `WORST_SCORE` if it cannot be aligned.
        log_probs: output of the network (frame, vocab).
    """

    row: int
    reference: str
    hypothesis: str
    score: float
    log_probs: npt.NDArray[np.float32]
    tokenizer: Tokenizer = field(repr=False)

    @property
    def cer(self) -> float:
        """Character error rate against the row's text; NaN if it has none."""
        return character_error_rate(self.reference, self.hypothesis) if self.reference else math.nan

    @cached_property
    def loss(self) -> float:
        """CTC loss of the row's text: `loss_of`."""
        return self.loss_of(self.reference)

    def loss_of(self, text: str) -> float:
        """Return the CTC loss of any text for the row's audio, nats per token.

        NaN if the text is empty or has letters that the network lacks; infinite if it has too many tokens for the
        audio.
        """
        if not text or not set(text) <= self.tokenizer.alphabet:
            return math.nan
        return _loss(self.log_probs, self.tokenizer.encode(text), self.tokenizer.blank_id)


@dataclass(frozen=True)
class Model:
    """The recognizer of a step, which every process loads once.

    Attributes:
        path: checkpoint, or folder of `stt export`.
        decoder: how its outputs become texts; None: its own decoder, which is greedy unless an export brings another.
        device: of a checkpoint; every process takes memory of a GPU, so give few of them with `cuda`.
        packages: that register classes of the checkpoint; by default those of `--import`.
    """

    path: Path
    decoder: DecoderOptions | None = None
    device: str = "cpu"
    packages: tuple[str, ...] = field(default_factory=imported_packages)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights; computed once, also if other processes load them."""
        return file_hash(self.path / MODEL if self.path.is_dir() else self.path)

    def load(self) -> tuple[AcousticModel, Decoder]:
        """Return the recognizer, with one thread, and the decoder; a process loads them once.

        Raises:
            InputError: a file is missing or damaged, or the device cannot be used.
        """
        import_packages(self.packages)
        return _load(self.path, self.fingerprint, pickle.dumps(self.decoder), self.device)


@lru_cache(maxsize=1)
def _load(path: Path, fingerprint: str, decoder: bytes, device: str) -> tuple[AcousticModel, Decoder]:
    recognizer = load(path, device, threads=1)
    options = pickle.loads(decoder) or recognizer.decoder_options
    return recognizer, build_decoder(options, recognizer.tokenizer, recognizer.normalizer.name)


def recognize(
    recognizer: AcousticModel, decoder: Decoder, manifest: Manifest
) -> Iterator[list[RecognizedRow | Skipped]]:
    """Recognize all rows and yield them batch by batch, utterances of similar length together.

    Rows whose audio is unreadable, longer than `MAX_SECONDS`, of another duration than in the manifest, or silent
    although there is a text, are yielded as `Skipped`.

    Raises:
        InputError: the network's output is not a number.
    """
    durations = manifest.durations
    long = np.flatnonzero(durations > MAX_SECONDS)
    if len(long):
        yield [_too_long(manifest, row) for row in long.tolist()]
    rows = np.flatnonzero(durations <= MAX_SECONDS)
    if not len(rows):
        return
    batches = [rows[indices].tolist() for indices in sorted_batches(durations[rows], BATCH_SECONDS)]
    sampled = ([SampledRow(row, 0.0, (0, row), (0,)) for row in batch] for batch in batches)
    for batch, outputs in run_batches(recognizer, manifest, sampled):
        recognized = [
            RecognizedRow(
                output.utterance.row,
                output.utterance.reference,
                *_decode(recognizer, decoder, output.log_probs),
                output.log_probs,
                recognizer.tokenizer,
            )
            for output in outputs
        ]
        yield [*batch.skipped, *recognized]


def _decode(recognizer: AcousticModel, decoder: Decoder, log_probs: npt.NDArray[np.float32]) -> tuple[str, float]:
    """Return the text of log_probs (frame, vocab) and its score."""
    text = decoder.text(log_probs)
    tokenizer = recognizer.tokenizer
    if not set(text) <= tokenizer.alphabet:  # a post-processor may write anything
        return text, WORST_SCORE
    return text, max(WORST_SCORE, -_loss(log_probs, tokenizer.encode(text), tokenizer.blank_id))


def _loss(log_probs: npt.NDArray[np.float32], tokens: list[int], blank_id: int) -> float:
    losses = ctc_losses(
        torch.from_numpy(log_probs).unsqueeze(0),
        torch.tensor([len(log_probs)]),
        torch.tensor([tokens], dtype=torch.int64),
        torch.tensor([len(tokens)]),
        blank_id,
    )
    return float(losses[0])


def _too_long(manifest: Manifest, row: int) -> Skipped:
    seconds = float(manifest.durations[row])
    why = f"{manifest.where(row)}: {manifest.audio(row)}: {seconds:.0f} s, more than {MAX_SECONDS:.0f} s"
    return Skipped(row, manifest.name(row), str(manifest.value(row, "domain")), "long audio", why)
