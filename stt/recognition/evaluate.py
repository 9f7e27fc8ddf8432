"""What is done over a manifest, once for all: the network's outputs, their texts, error rates by domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stt.audio.snr import level_range
from stt.corpus.manifest import Manifest, read_manifests
from stt.data.batch import Batch, Skipped, Utterance, collate
from stt.data.dataset import UtteranceDataset
from stt.data.loader import sorted_batches
from stt.decoding.decoder import Decoder
from stt.decoding.greedy import Hypothesis, greedy_decode
from stt.errors import InputError
from stt.metrics.domain_metric import METRICS, AlignedUtterance, DomainMetric
from stt.metrics.domain_results import DomainResult, mean_over_domains, measure_by_domain
from stt.metrics.recognized import RecognizedUtterance
from stt.progress import track
from stt.recognition.recognizer import Recognizer, inference
from stt.recognition.transcript import Transcript
from stt.sampling.base import SampledRow

BATCH_SECONDS = 120.0


@dataclass(frozen=True)
class Output:
    """What the network made of an utterance."""

    utterance: Utterance
    log_probs: npt.NDArray[np.float32]  # (frame, vocab)
    greedy: Hypothesis


@dataclass(frozen=True)
class EvaluationResult:
    """DomainResult by domain, every hypothesis, and what could not be read."""

    rates: dict[str, DomainResult]
    recognized: list[RecognizedUtterance]  # in the order of the manifest
    skipped: list[Skipped]

    @property
    def cer(self) -> float:
        """Character error rate, mean over domains."""
        return mean_over_domains(self.rates)["cer"]

    @property
    def wer(self) -> float:
        """Word error rate, mean over domains."""
        return mean_over_domains(self.rates)["wer"]


def evaluate(
    recognizer: Recognizer,
    manifest: Manifest | Path | str | Sequence[Path | str],
    decoder: Decoder | None = None,
    metrics: Sequence[DomainMetric] = METRICS,
) -> EvaluationResult:
    """Recognize every utterance of a manifest and compare it with its reference.

    References are normalized by the recognizer's normalizer, where the manifest was not made with it.

    Args:
        recognizer: is not changed, and works where its weights are.
        manifest: of utterances with texts, or its file, or several.
        decoder: finds the words; None takes the best token of each frame.
        metrics: what to measure_by_domain in every domain.

    Raises:
        InputError: the manifest cannot be read. Audio that cannot be read is in `skipped`, by name.

    Example:
        >>> import stt
        >>> evaluated = stt.evaluate(stt.load("model.ckpt"), "corpus.csv")
        >>> evaluated.cer, evaluated.rates["narration"].wer
        (0.0, 0.0)
        >>> evaluated.recognized[0].hypothesis
        'a bad cab'
    """
    if not isinstance(manifest, Manifest):
        manifest = read_manifests([manifest] if isinstance(manifest, Path | str) else manifest)
    recognized: list[RecognizedUtterance] = []
    skipped: list[Skipped] = []
    for batch, outputs in compute_batches(recognizer, manifest):
        skipped += batch.skipped
        found = [(output.greedy.text, output.greedy.confidence) for output in outputs]
        if decoder:
            found = [_decoded(decoder, output, recognizer.frame_seconds) for output in outputs]
        recognized += recognized_of(manifest, batch, recognizer.sample_rate, found)
    compared = ((one.domain, AlignedUtterance(one.reference, one.hypothesis, one.seconds)) for one in recognized)
    rates = measure_by_domain(compared, metrics)
    recognized.sort(key=lambda one: one.row)
    skipped.sort(key=lambda one: one.row)
    return EvaluationResult(rates, recognized, skipped)


def compute_outputs(
    recognizer: Recognizer, manifest: Manifest, most: int | None = None, strength: float = 0.0, seed: int = 0
) -> Iterator[Output | Skipped]:
    """Run the network over a manifest and give each utterance; what cannot be read is given as it is.

    Args:
        recognizer: is not changed, and works where its weights are.
        manifest: utterances.
        most: of each domain, the first ones; None takes all.
        strength: of the distortion of the audio (speed, pitch, codecs), 0..1.
        seed: decides how each utterance is distorted.
    """
    for batch, outputs in compute_batches(recognizer, manifest, most, strength, seed):
        yield from batch.skipped
        yield from outputs


def readable_outputs(recognizer: Recognizer, manifest: Manifest, most: int | None = None) -> list[Output]:
    """Keep the outputs for the first `most` utterances of every domain (None: all), to decode them several times.

    Raises:
        InputError: a file cannot be read.
    """
    outputs = []
    for output in compute_outputs(recognizer, manifest, most):
        if isinstance(output, Skipped):
            raise InputError(output.reason)
        outputs.append(output)
    return outputs


def rates_of_outputs(outputs: Sequence[Output], texts: Sequence[str]) -> dict[str, DomainResult]:
    """Error rates by domain of a text for each output."""
    spoken = (output.utterance for output in outputs)
    return measure_by_domain(
        (u.domain, AlignedUtterance(u.reference, text, u.seconds)) for u, text in zip(spoken, texts, strict=True)
    )


def compute_batches(
    recognizer: Recognizer, manifest: Manifest, most: int | None = None, strength: float = 0.0, seed: int = 0
) -> Iterator[tuple[Batch, list[Output]]]:
    """Run the network over batches of like length, as `compute_outputs` does, and give them with their outputs."""
    dataset = UtteranceDataset(manifest, recognizer, training=False)
    rows = np.concatenate([rows[:most] for rows in manifest.rows_by_domain()])
    for places in track(sorted_batches(manifest.durations[rows], BATCH_SECONDS), "recognizing"):
        items = [dataset[SampledRow(row, strength, (seed, row))] for row in rows[places].tolist()]
        batch = collate(items).to(recognizer.device)
        utterances = [item for item in items if isinstance(item, Utterance)]
        with inference(recognizer):
            log_probs, frames = recognizer(batch.waveforms, batch.lengths)
            hypotheses = greedy_decode(log_probs, frames, recognizer.tokenizer)
        counts = frames.tolist()
        # A batch of which nothing could be read holds an utterance of silence.
        triples = zip(utterances, log_probs.cpu().numpy(), hypotheses, strict=False)
        yield batch, [Output(one, values[: counts[i]], text) for i, (one, values, text) in enumerate(triples)]


def recognized_of(
    manifest: Manifest, batch: Batch, sample_rate: int, found: Sequence[tuple[str, float]]
) -> list[RecognizedUtterance]:
    """Lay the text and the confidence that were found for each utterance of a batch beside what is known of it."""
    ranges = level_range(batch.waveforms, batch.lengths, sample_rate).tolist()
    return [
        RecognizedUtterance(
            row + 1,
            batch.names[i],
            batch.domains[i],
            source.address,
            manifest.offset(row),
            batch.seconds[i],
            ranges[i],
            batch.references[i],
            hypothesis,
            confidence,
            source.byte_offset,
            source.byte_length,
        )
        for i, (row, (hypothesis, confidence)) in enumerate(zip(batch.rows, found, strict=True))
        for source in [manifest.audio(row).absolute()]  # who reads it may stand in another folder
    ]


def _decoded(decoder: Decoder, output: Output, frame_seconds: float) -> tuple[str, float]:
    words = decoder.words(output.log_probs, frame_seconds)
    transcript = Transcript(" ".join(word.text for word in words), words, output.utterance.seconds)
    return transcript.text, transcript.confidence
