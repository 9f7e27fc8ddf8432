"""Everything that `stt bench infer` reports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from stt.corpus.manifest import Manifest
from stt.decoding.options import DecoderOptions
from stt.inference.clips import generated_clips, speech_clips
from stt.inference.speed import Case, measure_cases
from stt.inference.stages import Model, stages_of
from stt.inference.threads import limited_threads, machine
from stt.recognition.decoders import build_decoder
from stt.recognition.recognizer import Recognizer


def measure_inference(
    model: Model, options: DecoderOptions, cases: Sequence[Case], repeats: int, manifest: Manifest | None
) -> dict[str, Any]:
    """Measure a model with one thread.

    Args:
        model: loaded for the CPU and one thread.
        options: the decoder.
        cases: what to measure; the largest batch is the number of clips.
        repeats: number of measurements of each case, after one to warm up.
        manifest: real speech to make clips of; None: generated signals.

    Raises:
        InputError: the audio of a row cannot be read, or the decoder cannot be built.
    """
    rate = model.sample_rate
    decoder = build_decoder(options, model.tokenizer, model.normalizer.name)
    size = (rate, max(case.clip_seconds for case in cases), max(case.batch for case in cases))
    clips = speech_clips(manifest, *size) if manifest else generated_clips(*size)
    load_average = os.getloadavg()[0]
    with limited_threads(1) as threads:
        measured = measure_cases(stages_of(model), decoder, model.frame_seconds, clips, rate, cases, repeats)
    return {
        **_describe(model),
        "machine": machine(),
        "load_average_before": round(load_average, 1),
        "threads": threads | ({} if isinstance(model, Recognizer) else {"ONNX Runtime": model.threads}),
        "audio": f"real speech, joined and cut: {manifest.path}" if manifest else "generated signals, no speech",
        "sample_rate": rate,
        "decoder": {"class": type(decoder).__name__, "beam": options.beam and asdict(options.beam)},
        "repeats": repeats,
        "cases": measured,
    }


def _describe(model: Model) -> dict[str, Any]:
    if isinstance(model, Recognizer):
        return {"kind": "PyTorch", "parameters": sum(parameter.numel() for parameter in model.parameters())}
    return {"kind": model.description.format}
