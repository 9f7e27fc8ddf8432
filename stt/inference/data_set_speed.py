"""The speed on a data set as the article defines it: 1 / RTF, on all cores.

Source: Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text": the duration of the audio divided by the time of
the acoustic model and the language model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from stt.audio.io import Waveform
from stt.corpus.manifest import Manifest
from stt.decoding.options import DecoderOptions
from stt.decoding.workers import DecodingPool
from stt.inference.speed import WALL, Seconds, batches, clocks, rounded, run_stages
from stt.inference.stages import DECODING, FEATURES, Model, Stage, stages_of
from stt.inference.threads import available_cores, limited_threads
from stt.progress import track
from stt.recognition.decoders import build_decoder

BATCH_SECONDS = 60.0


def measure_data_set(
    model: Model, options: DecoderOptions, manifest: Manifest, max_seconds: float, repeats: int
) -> dict[str, Any]:
    """Measure the duration of utterances over the wall clock time of network and decoding, on all cores.

    Utterances are batched by length; beam searches run in one process per core. Reading audio is not part of the time.

    Args:
        model: loaded for the CPU and all cores.
        options: the decoder.
        manifest: utterances, taken in random order.
        max_seconds: enough audio to stop after.
        repeats: number of measurements, after one to warm up; the median counts.

    Raises:
        InputError: the audio of a row cannot be read, or the decoder cannot be built.
    """
    stages, sample_rate = stages_of(model), model.sample_rate
    clips = _read(manifest, sample_rate, max_seconds)
    audio_seconds = sum(map(len, clips)) / sample_rate
    cores = available_cores()
    searches = options.beam or options.custom or options.postprocessor
    pool = DecodingPool(
        partial(build_decoder, options), model.tokenizer, model.normalizer.name, cores if searches else 0
    )
    try:
        with limited_threads(cores) as threads:
            runs = [_run(stages, pool, clips, sample_rate) for _ in track(range(1 + repeats), "measuring all cores")]
    finally:
        pool.close()
    median = {name: float(np.median([run[name][WALL] for run in runs[1:]])) for name in runs[0]}
    network = sum(seconds for name, seconds in median.items() if name != FEATURES)
    return {
        "definition": "duration of the audio / wall clock time of acoustic model and decoding, on all cores",
        "utterances": len(clips),
        "audio_seconds": round(audio_seconds),
        "threads": threads,
        "decoding_processes": cores if searches else 1,
        "timed": [name for name in median if name != FEATURES],
        "one_over_rtf": rounded(audio_seconds / network),
        "one_over_rtf_with_features": rounded(audio_seconds / sum(median.values())),  # the same if computed at once
    }


def _read(manifest: Manifest, sample_rate: int, max_seconds: float) -> list[Waveform]:
    order = np.random.default_rng(0).permutation(len(manifest))
    until = np.searchsorted(np.cumsum(manifest.durations[order]), max_seconds)
    return [manifest.waveform(row, sample_rate) for row in track(order[: until + 1].tolist(), "reading")]


def _by_length(clips: Sequence[Waveform], samples: int) -> Iterator[tuple[Any, Any]]:
    """Yield batches of similar length with at most `samples` samples each, the longest first."""
    waiting = sorted(clips, key=len)
    while waiting:
        count = max(1, samples // max(1, len(waiting[-1])))
        yield from batches(waiting[-count:], count)
        del waiting[-count:]


def _run(
    stages: Mapping[str, Stage], pool: DecodingPool, clips: Sequence[Waveform], sample_rate: int
) -> dict[str, Seconds]:
    """Return the seconds (2,) of every stage over all clips; decoding starts when the network has ended."""
    times = {name: np.zeros(2) for name in (*stages, DECODING)}
    outputs = []
    for x, lengths in _by_length(clips, int(BATCH_SECONDS * sample_rate)):
        log_probs, frames = run_stages(stages, x, lengths, times)
        outputs += [row[:n] for row, n in zip(np.asarray(log_probs), np.asarray(frames).tolist(), strict=True)]
    started = clocks()
    for text in [pool.submit(output) for output in outputs]:
        text.result()
    times[DECODING] += clocks() - started
    return times
