"""Inference and evaluation over a manifest: network outputs, texts and error rates by domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stt.audio.snr import level_range
from stt.corpus.manifest import Manifest, read_manifests
from stt.data.batch import Batch, Skipped, Utterance, collate
from stt.data.completeness import MAX_SKIPPED_SHARE, Completeness
from stt.data.dataset import UtteranceDataset
from stt.data.loader import sorted_batches
from stt.decoding.decoder import Decoder
from stt.decoding.words import Hypothesis, best_hypothesis
from stt.errors import InputError
from stt.metrics.domain_metric import METRICS, AlignedUtterance, DomainMetric
from stt.metrics.domain_results import DomainResult, mean_over_domains, measure_by_domain, with_skipped
from stt.metrics.recognized import RecognizedUtterance
from stt.progress import track
from stt.recognition.acoustic_model import NOT_A_NUMBER, AcousticModel
from stt.recognition.transcript import Transcript
from stt.sampling.base import SampledRow

BATCH_SECONDS = 120.0


@dataclass(frozen=True)
class NetworkOutput:
    """Network output for an utterance."""

    utterance: Utterance
    log_probs: npt.NDArray[np.float32]  # (frame, vocab)
    greedy: Hypothesis


@dataclass(frozen=True)
class EvaluationResult:
    """Results by domain, every hypothesis, and skipped utterances."""

    rates: dict[str, DomainResult]
    recognized: list[RecognizedUtterance]  # in manifest order
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
    recognizer: AcousticModel,
    manifest: Manifest | Path | str | Sequence[Path | str],
    decoder: Decoder | None = None,
    metrics: Sequence[DomainMetric] = METRICS,
    max_skipped_share: float = MAX_SKIPPED_SHARE,
) -> EvaluationResult:
    """Recognize every utterance of a manifest and compare it with its reference.

    References are normalized with the recognizer's normalizer unless the manifest was already created with it.

    Args:
        recognizer: from a checkpoint, on the device of its weights, or from an export.
        manifest: a manifest with texts, or one or more files.
        decoder: decoder to use; None: greedy decoding.
        metrics: metrics to compute in each domain.
        max_skipped_share: maximum share of a domain's utterances that may be skipped, 0..1.

    Raises:
        InputError: the manifest cannot be read, the network's output is not a number, or too many utterances of a
            domain are skipped. Up to the limit, those with unreadable, silent or wrong audio are listed in `skipped`.

    Example:
        >>> import stt
        >>> result = stt.evaluate(stt.load("model.ckpt"), "corpus.csv")
        >>> result.cer, result.rates["narration"].wer
        (0.0, 0.0)
        >>> result.recognized[0].hypothesis
        'a bad cab'
    """
    if not isinstance(manifest, Manifest):
        manifest = read_manifests([manifest] if isinstance(manifest, Path | str) else manifest)
    recognized: list[RecognizedUtterance] = []
    skipped: list[Skipped] = []
    completeness = Completeness()
    for batch, outputs in compute_batches(recognizer, manifest):
        skipped += batch.skipped
        completeness.add(batch)
        texts = [(output.greedy.text, output.greedy.confidence) for output in outputs]
        if decoder:
            texts = [_decode(decoder, output, recognizer.frame_seconds) for output in outputs]
        recognized += recognized_utterances(manifest, batch, recognizer.sample_rate, texts)
    completeness.check(max_skipped_share, "max_skipped_share")
    aligned = ((item.domain, AlignedUtterance(item.reference, item.hypothesis, item.seconds)) for item in recognized)
    rates = with_skipped(measure_by_domain(aligned, metrics), completeness.skipped)
    recognized.sort(key=lambda item: item.row)
    skipped.sort(key=lambda item: item.row)
    return EvaluationResult(rates, recognized, skipped)


def compute_outputs(
    recognizer: AcousticModel,
    manifest: Manifest,
    max_per_domain: int | None = None,
    strength: float = 0.0,
    seed: int = 0,
) -> Iterator[NetworkOutput | Skipped]:
    """Run the network over a manifest and yield the output of each utterance, or the reason why it was skipped.

    Args:
        recognizer: from a checkpoint, on the device of its weights, or from an export.
        manifest: utterances to run.
        max_per_domain: use only the first utterances of each domain; None: all.
        strength: strength of the audio augmentation (speed, pitch, pauses, codecs), 0..1.
        seed: random seed of the augmentation.
    """
    for batch, outputs in compute_batches(recognizer, manifest, max_per_domain, strength, seed):
        yield from batch.skipped
        yield from outputs


def collect_outputs(recognizer: AcousticModel, manifest: Manifest, max_per_domain: int | None) -> list[NetworkOutput]:
    """Return the outputs of the first `max_per_domain` utterances of each domain (None: all) as a list.

    Raises:
        InputError: a file cannot be read.
    """
    outputs = []
    for output in compute_outputs(recognizer, manifest, max_per_domain):
        if isinstance(output, Skipped):
            raise InputError(output.reason)
        outputs.append(output)
    return outputs


def error_rates_of_outputs(outputs: Sequence[NetworkOutput], texts: Sequence[str]) -> dict[str, DomainResult]:
    """Return error rates by domain, given a text for each output."""
    utterances = (output.utterance for output in outputs)
    return measure_by_domain(
        (u.domain, AlignedUtterance(u.reference, text, u.seconds)) for u, text in zip(utterances, texts, strict=True)
    )


def compute_batches(
    recognizer: AcousticModel,
    manifest: Manifest,
    max_per_domain: int | None = None,
    strength: float = 0.0,
    seed: int = 0,
) -> Iterator[tuple[Batch, list[NetworkOutput]]]:
    """Run the network over length-sorted batches as `compute_outputs` does, and yield each batch with its outputs."""
    rows = np.concatenate([rows[:max_per_domain] for rows in manifest.rows_by_domain()])
    batches = [rows[indices] for indices in sorted_batches(manifest.durations[rows], BATCH_SECONDS)]
    sampled = ([SampledRow(row, strength, (seed, row), (seed, row)) for row in batch.tolist()] for batch in batches)
    yield from run_batches(recognizer, manifest, track(sampled, "recognizing", len(batches)))


def run_batches(
    recognizer: AcousticModel, manifest: Manifest, batches: Iterable[Sequence[SampledRow]]
) -> Iterator[tuple[Batch, list[NetworkOutput]]]:
    """Run the network over batches of a manifest's rows, and yield each with the outputs of its utterances.

    Raises:
        InputError: the network's output is not a number.
    """
    dataset = UtteranceDataset(manifest, recognizer, training=False)
    for sampled in batches:
        items = [dataset[row] for row in sampled]
        batch = collate(items)
        utterances = [item for item in items if isinstance(item, Utterance)]
        log_probs, frames = recognizer.compute(batch.waveforms.numpy(), batch.lengths.numpy())
        outputs = []
        # A batch without any readable utterance contains a silent one.
        for utterance, values, count in zip(utterances, log_probs, frames.tolist(), strict=False):
            if np.isnan(values[:count]).any():
                raise InputError(f"{manifest.where(utterance.row)}: {NOT_A_NUMBER}")
            outputs.append(
                NetworkOutput(utterance, values[:count], best_hypothesis(values[:count], recognizer.tokenizer))
            )
        yield batch, outputs


def recognized_utterances(
    manifest: Manifest, batch: Batch, sample_rate: int, texts: Sequence[tuple[str, float]]
) -> list[RecognizedUtterance]:
    """Combine the text and confidence of each utterance in a batch with its manifest row."""
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
        for i, (row, (hypothesis, confidence)) in enumerate(zip(batch.rows, texts, strict=True))
        for source in [manifest.audio(row).absolute()]  # it may be read from another working directory
    ]


def _decode(decoder: Decoder, output: NetworkOutput, frame_seconds: float) -> tuple[str, float]:
    transcript = Transcript.of(decoder.words(output.log_probs, frame_seconds), output.utterance.seconds)
    return transcript.text, transcript.confidence
