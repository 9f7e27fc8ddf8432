"""A model as a chain of stages from waveforms to log_probs, which can be timed one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from stt.recognition.recognizer import Recognizer

if TYPE_CHECKING:  # it needs ONNX Runtime, which checkpoints do not
    from stt.inference.exported import ExportedRecognizer

FEATURES, ACOUSTIC_MODEL, DECODING, WHOLE = "features", "acoustic model", "decoding", "whole"
BOTH = "features and acoustic model"  # of a model that computes them at once

Stage = Callable[[Any, Any], tuple[Any, Any]]
"""Maps (batch, ...) and lengths (batch,) to the input of the next stage; arrays or CPU tensors."""


Model: TypeAlias = "Recognizer | ExportedRecognizer"


def stages_of(model: Model) -> dict[str, Stage]:
    """Return the stages by name, in order: the first is given float32 waveforms (batch, sample), as an array."""
    if not isinstance(model, Recognizer):
        return {BOTH: model.compute}
    recognizer = model.eval()

    def features(waveforms: Any, lengths: Any) -> tuple[Any, Any]:
        with torch.inference_mode():
            x, frames = recognizer.features(torch.from_numpy(waveforms), torch.from_numpy(lengths))
        return x, frames

    def acoustic_model(x: Any, frames: Any) -> tuple[Any, Any]:
        with torch.inference_mode():
            return recognizer.log_probs(x, frames)

    return {FEATURES: features, ACOUSTIC_MODEL: acoustic_model}
