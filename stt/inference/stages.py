"""A recognizer as a chain of stages from waveforms to log_probs, which can be timed one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from stt.recognition.recognizer import Recognizer

FEATURES, ACOUSTIC_MODEL, DECODING, WHOLE = "features", "acoustic model", "decoding", "whole"

Stage = Callable[[Any, Any], tuple[Any, Any]]
"""Maps (batch, ...) and lengths (batch,) to the input of the next stage; arrays or CPU tensors."""


def stages_of(recognizer: Recognizer) -> dict[str, Stage]:
    """Return the stages by name, in order: the first is given float32 waveforms (batch, sample), as an array."""
    recognizer.eval()

    def features(waveforms: Any, lengths: Any) -> tuple[Any, Any]:
        with torch.inference_mode():
            x, frames = recognizer.features(torch.from_numpy(waveforms), torch.from_numpy(lengths))
        return x, frames

    def acoustic_model(x: Any, frames: Any) -> tuple[Any, Any]:
        with torch.inference_mode():
            return recognizer.log_probs(x, frames)

    return {FEATURES: features, ACOUSTIC_MODEL: acoustic_model}
