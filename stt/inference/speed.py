"""The speed of inference on one core, stage by stage, and of a data set on all cores.

Seconds are those of the processor that the process used, with all its threads, so that other work on the machine
counts less; wall clock seconds are reported beside them. Repetitions are interleaved over all cases, in a new random
order each, so that a slow minute of the machine does not fall on one case alone, and medians are reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.audio.io import Waveform
from stt.decoding.decoder import Decoder
from stt.inference.stages import DECODING, WHOLE, Stage
from stt.inference.threads import peak_memory_mb
from stt.progress import track
from stt.recognition.acoustic_model import padded

Seconds = npt.NDArray[np.float64]  # of the processor and of the wall clock (2,)
CPU, WALL = 0, 1


@dataclass(frozen=True)
class Case:
    """Clips of a length that are transcribed in batches of a size."""

    clip_seconds: float
    batch: int


def measure_cases(
    stages: Mapping[str, Stage],
    decoder: Decoder,
    frame_seconds: float,
    clips: Sequence[Waveform],
    sample_rate: int,
    cases: Sequence[Case],
    repeats: int,
) -> list[dict[str, Any]]:
    """Measure the cases; every measurement transcribes all clips, cut to the length of the case.

    Args:
        stages: from `stages_of`.
        decoder: decodes the output of the last stage.
        frame_seconds: duration of an output frame.
        clips: at least as long as the longest case, and as many as its batch.
        sample_rate: of the clips, Hz.
        cases: what to measure.
        repeats: number of measurements of each case, after one to warm up.
    """
    decode = _decode_with(decoder, frame_seconds)
    inputs = {case: [clip[: round(case.clip_seconds * sample_rate)] for clip in clips] for case in cases}
    samples: dict[Case, list[dict[str, Seconds]]] = {case: [] for case in cases}
    peak: dict[Case, int] = {}
    for case in sorted(cases, key=lambda case: case.clip_seconds * case.batch):  # so that each raises the peak
        time_stages(stages, decode, inputs[case], case.batch)
        peak[case] = peak_memory_mb()
    rng = np.random.default_rng(0)
    order = [cases[i] for _ in range(repeats) for i in rng.permutation(len(cases))]
    for case in track(order, "measuring"):
        samples[case].append(time_stages(stages, decode, inputs[case], case.batch))
    return [
        {
            "clip_seconds": case.clip_seconds,
            "batch": case.batch,
            **summary(samples[case], case.clip_seconds * len(clips)),
            "peak_memory_mb": peak[case],
        }
        for case in cases
    ]


def time_stages(
    stages: Mapping[str, Stage], decode: Callable[[Any, Any], object], clips: Sequence[Waveform], batch: int
) -> dict[str, Seconds]:
    """Transcribe clips in batches and return the seconds (2,) of every stage, of decoding, and of the whole."""
    times = {name: np.zeros(2) for name in (*stages, DECODING)}
    for x, lengths in batches(clips, batch):
        log_probs, frames = run_stages(stages, x, lengths, times)
        started = clocks()
        decode(log_probs, frames)
        times[DECODING] += clocks() - started
    return {**times, WHOLE: np.sum(list(times.values()), axis=0)}


def run_stages(stages: Mapping[str, Stage], x: Any, lengths: Any, times: dict[str, Seconds]) -> tuple[Any, Any]:
    """Return what the stages make of a batch, and add the seconds (2,) of each to `times`."""
    for name, stage in stages.items():
        started = clocks()
        x, lengths = stage(x, lengths)
        times[name] += clocks() - started
    return x, lengths


def batches(clips: Sequence[Waveform], size: int) -> Iterator[tuple[Any, Any]]:
    """Yield waveforms (batch, sample), padded with zeros, and their lengths (batch,)."""
    for first in range(0, len(clips), size):
        yield padded(clips[first : first + size])


def clocks() -> Seconds:
    """Return the seconds of the processor and of the wall clock (2,)."""
    return np.array([time.process_time(), time.perf_counter()])


def summary(samples: Sequence[Mapping[str, Seconds]], audio_seconds: float) -> dict[str, Any]:
    """Summarize repeated measurements of the same audio: medians, and the quartiles of the whole."""
    seconds = {name: np.array([sample[name] for sample in samples]) for name in samples[0]}  # (repetition, 2)

    def speeds(clock: int, quantile: float = 0.5) -> dict[str, float]:
        return {name: rounded(audio_seconds / np.quantile(one[:, clock], quantile)) for name, one in seconds.items()}

    whole = seconds[WHOLE]
    return {
        "audio_seconds_per_core_second": speeds(CPU),
        "quartiles_of_the_whole": [speeds(CPU, 0.75)[WHOLE], speeds(CPU, 0.25)[WHOLE]],
        "audio_seconds_per_wall_second": speeds(WALL),
        "cores_used": round(float(np.median(whole[:, CPU] / whole[:, WALL])), 2),
    }


def rounded(value: float) -> float:
    """Round to three significant digits."""
    return float(f"{value:.3g}")


def _decode_with(decoder: Decoder, frame_seconds: float) -> Callable[[Any, Any], object]:
    def decode(log_probs: Any, frames: Any) -> object:
        rows = zip(np.asarray(log_probs), np.asarray(frames).tolist(), strict=True)
        return [decoder.words(row[:count], frame_seconds) for row, count in rows]

    return decode
