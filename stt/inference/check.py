"""An export compared with its checkpoint: outputs, error rates, and speed, on the same audio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stt.audio.io import Waveform
from stt.corpus.manifest import Manifest
from stt.data.batch import Skipped
from stt.data.dataset import UtteranceDataset
from stt.decoding.words import best_hypothesis
from stt.errors import InputError
from stt.metrics.error_rate import corpus_cer
from stt.progress import track
from stt.recognition.acoustic_model import Lengths, LogProbs, padded
from stt.recognition.recognizer import Recognizer

MAX_SECONDS = 1_800.0  # of the audio of a manifest
BATCH = 4  # utterances
GENERATED_SECONDS = (0.02, 0.3, 1.0, 2.9, 3.1, 7.0, 12.0, 20.0)  # shorter and longer than any span of the network
SPEED_SECONDS = 40.0  # of audio that is timed
ROUNDS = 5  # of each, of which the median counts

Compute = Callable[[Waveform, Lengths], tuple[LogProbs, Lengths]]  # of `AcousticModel.compute`


@dataclass(frozen=True)
class Sample:
    """An utterance with its reference, or generated audio without one."""

    waveform: Waveform
    reference: str | None


def samples_of(recognizer: Recognizer, manifest: Manifest | None) -> list[Sample]:
    """Return generated audio of many lengths and the utterances of a manifest, evenly spaced if they are many.

    Raises:
        InputError: an utterance cannot be read.
    """
    samples = [Sample(waveform, None) for waveform in generated(recognizer.sample_rate)]
    if manifest is None:
        return samples
    dataset = UtteranceDataset(manifest, recognizer, training=False)
    step = max(1, round(float(manifest.durations.sum()) / MAX_SECONDS))
    for row in range(0, len(manifest), step):
        item = dataset[row]
        if isinstance(item, Skipped):
            raise InputError(item.reason)
        samples.append(Sample(item.waveform, item.reference))
    return samples


def generated(sample_rate: int) -> Iterator[Waveform]:
    """Yield noise with tones that come and go: audio without any meaning, of many lengths."""
    rng = np.random.default_rng(0)
    for seconds in GENERATED_SECONDS:
        at = np.arange(max(1, round(seconds * sample_rate))) / sample_rate
        tones = sum(np.sin(2 * np.pi * hertz * at) for hertz in rng.uniform(100, sample_rate / 2.5, 4))
        loud = 0.02 + 0.2 * np.square(np.sin(np.pi * at * rng.uniform(0.5, 2.0)))
        yield (loud * (tones + 0.3 * rng.standard_normal(len(at)))).astype(np.float32)


def compare(reference: Compute, exported: Compute, recognizer: Recognizer, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the largest difference of log_probs, and the character error rates of both (None without references).

    Utterances go through both in batches of different lengths, so that padding is compared as well.

    Raises:
        InputError: the numbers of frames differ, or an output is not a number.
    """
    difference = 0.0
    texts: list[tuple[str, str, str]] = []  # reference, text of the checkpoint, text of the export
    ordered = sorted(samples, key=lambda sample: len(sample.waveform))
    for first in track(range(0, len(ordered), BATCH), "comparing"):
        batch = ordered[first : first + BATCH]
        waveforms, lengths = padded([sample.waveform for sample in batch])
        outputs, frames = reference(waveforms, lengths)
        others, other_frames = exported(waveforms, lengths)
        if frames.tolist() != other_frames.tolist():
            raise InputError(
                f"the export has {other_frames.tolist()} frames where the checkpoint has {frames.tolist()}"
            )
        for one, other, count, sample in zip(outputs, others, frames.tolist(), batch, strict=True):
            distance = float(np.abs(one[:count] - other[:count]).max(initial=0.0))
            if np.isnan(distance):
                raise InputError("an output of the export or the checkpoint is not a number")
            difference = max(difference, distance)
            if sample.reference is not None:
                before, after = (best_hypothesis(output[:count], recognizer.tokenizer) for output in (one, other))
                texts.append((sample.reference, before.text, after.text))
    spoken = [sample for sample in samples if sample.reference is not None]
    return {
        "utterances": len(spoken),
        "seconds": round(sum(len(sample.waveform) for sample in spoken) / recognizer.sample_rate, 1),
        "max_difference": difference,
        "cer_checkpoint": corpus_cer([(text, one) for text, one, _ in texts]) if texts else None,
        "cer_export": corpus_cer([(text, other) for text, _, other in texts]) if texts else None,
    }


def speeds(computes: dict[str, Compute], sample_rate: int, samples: Sequence[Sample]) -> dict[str, float]:
    """Return audio seconds per core-second of each, alternating, one utterance at a time, on as many threads as it has.

    The processor time of the process is counted, so that other processes on the machine matter little.
    """
    longest = sorted((sample.waveform for sample in samples), key=len)[::-1]
    timed = longest[: 1 + int(np.searchsorted(np.cumsum([len(one) for one in longest]), SPEED_SECONDS * sample_rate))]
    seconds: dict[str, list[float]] = {name: [] for name in computes}
    for number in track(range(ROUNDS + 1), "timing"):  # the first one warms up
        for name, compute in computes.items():
            start = time.process_time()
            for waveform in timed:
                compute(waveform[np.newaxis], np.array([len(waveform)]))
            if number:
                seconds[name].append(time.process_time() - start)
    total = sum(map(len, timed)) / sample_rate
    return {name: round(total / statistics.median(values), 1) for name, values in seconds.items()}
