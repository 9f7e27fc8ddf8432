"""What a network says of windows, without the pauses in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stt.errors import InputError
from stt.recognition.acoustic_model import NOT_A_NUMBER, AcousticModel, padded
from stt.recognition.pauses import heard_frames
from stt.recognition.windows import Window

if TYPE_CHECKING:  # it needs torch, and inference from an export does without
    from stt.audio.speech_detector import SpeechDetector

NEVER = -1e4  # log-probability of pieces where nobody speaks

Output = npt.NDArray[np.float32] | InputError  # log_probs (frame, vocab)


def hear(
    recognizer: AcousticModel, windows: Sequence[Window], names: Sequence[str], detector: SpeechDetector | None
) -> list[Output]:
    """Return the log_probs of each window's core, or why there are none.

    Long pauses are not given to the network: their frames are blanks, as is what the detector takes for no speech.

    Args:
        recognizer: the network.
        windows: parts of any recordings.
        names: names of those recordings, for messages.
        detector: finds speech; None: there is none.
    """
    hop, blank, size = recognizer.frame_samples, recognizer.tokenizer.blank_id, recognizer.tokenizer.vocab_size
    speech = _speech(detector, windows, hop)
    log_probs = [np.full((len(frames), size), NEVER, np.float32) for frames in speech]
    for one in log_probs:
        one[:, blank] = 0.0
    errors: dict[int, InputError] = {}
    rate = recognizer.sample_rate
    pairs = zip(windows, speech, strict=True)
    heard = [heard_frames(window.samples, hop, rate, window.loudest, one) for window, one in pairs]
    rows = [i for i, frames in enumerate(heard) if frames.any() and speech[i].any()]
    if rows:
        shortened = [windows[i].samples[np.repeat(heard[i], hop)[: len(windows[i].samples)]] for i in rows]
        for i, output, count in zip(rows, *recognizer.compute(*padded(shortened)), strict=True):
            if np.isnan(output[:count]).any():
                errors[i] = InputError(f"{names[i]}: {NOT_A_NUMBER}")
            places = np.flatnonzero(heard[i])[:count]
            spoken = speech[i][places]
            log_probs[i][places[spoken]] = output[: len(places)][spoken]
    cores = (one[window.before :][: window.core].copy() for window, one in zip(windows, log_probs, strict=True))
    return [errors.get(i, core) for i, core in enumerate(cores)]


def _speech(detector: SpeechDetector | None, windows: Sequence[Window], hop: int) -> list[npt.NDArray[np.bool_]]:
    """Return which frames (frame,) of each window are speech; all of them without a detector."""
    frames = [max(1, -(-len(window.samples) // hop)) for window in windows]
    if detector is None:
        return [np.ones(count, np.bool_) for count in frames]
    from stt.audio.speech_detector import speech_frames  # imported here because it needs torch

    found = speech_frames(detector, padded([window.samples for window in windows])[0], hop)
    return [speech[:count] for speech, count in zip(found, frames, strict=True)]
