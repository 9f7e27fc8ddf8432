"""Everything that `stt bench infer` reports."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from stt.corpus.manifest import Manifest
from stt.decoding.options import DecoderOptions
from stt.inference.clips import generated_clips, speech_clips
from stt.inference.data_set_speed import measure_data_set
from stt.inference.speed import Case, measure_cases
from stt.inference.stages import Model, stages_of
from stt.inference.threads import available_cores, limited_threads, machine
from stt.recognition.decoders import build_decoder
from stt.recognition.recognizer import Recognizer


def measure_inference(
    load: Callable[[int], Model],
    options: DecoderOptions,
    cases: Sequence[Case],
    repeats: int,
    manifest: Manifest | None = None,
    minutes: float = 10.0,
) -> dict[str, Any]:
    """Measure a model with one thread, and with a manifest also on all cores.

    Args:
        load: loads the model on the CPU, for a number of threads.
        options: the decoder.
        cases: what to measure; the largest batch is the number of clips.
        repeats: number of measurements of each case, after one to warm up.
        manifest: real speech to make clips of; None: generated signals.
        minutes: audio of the manifest for the measurement on all cores.

    Raises:
        InputError: the audio of a row cannot be read, or the decoder cannot be built.
    """
    model = load(1)
    rate, tokenizer, normalizer = model.sample_rate, model.tokenizer, model.normalizer.name
    decoder = build_decoder(options, tokenizer, normalizer)
    size = (rate, max(case.clip_seconds for case in cases), max(case.batch for case in cases))
    clips = speech_clips(manifest, *size) if manifest else generated_clips(*size)
    load_average = os.getloadavg()[0]
    with limited_threads(1) as threads:
        measured = measure_cases(stages_of(model), decoder, model.frame_seconds, clips, rate, cases, repeats)
    report = {
        "parameters": sum(one.numel() for one in model.parameters()) if isinstance(model, Recognizer) else None,
        "machine": machine(),
        "load_average_before": round(load_average, 1),
        "threads": threads,
        "audio": f"real speech, joined and cut: {manifest.path}" if manifest else "generated signals, no speech",
        "sample_rate": rate,
        "decoder": {"class": type(decoder).__name__, "beam": options.beam and asdict(options.beam)},
        "repeats": repeats,
        "cases": measured,
    }
    if manifest:
        stages = stages_of(load(available_cores()))
        data = (stages, options, tokenizer, normalizer, manifest, rate, 60 * minutes, repeats)
        report["data_set"] = measure_data_set(*data)
    return report
