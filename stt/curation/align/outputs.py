"""What the network says of a recording of hours, and how loud it is: all that the alignment needs of the audio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from stt.audio.io import Waveform
from stt.errors import InputError
from stt.recognition.recording import Recording
from stt.recognition.transcriber import Transcriber

LEVEL_SECONDS = 0.01  # of audio over which the power is averaged
SILENCE_DB = -100.0


@dataclass(frozen=True)
class Outputs:
    """Log-probabilities and levels of a recording; float16, so that an hour at 80 ms with 300 pieces takes 27 MB."""

    log_probs: npt.NDArray[np.float16]  # (frame, vocab)
    levels: npt.NDArray[np.float32]  # (10 ms,) dB of full scale
    frame_seconds: float
    seconds: float
    blank: int

    @cached_property
    def emitted(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Frames and tokens of the greedy hypothesis, both (token,)."""
        best = self.log_probs.argmax(axis=1)
        frames = np.flatnonzero((best != self.blank) & (best != np.append(self.blank, best[:-1])))
        return frames, best[frames]

    def relative(self, first: int, end: int) -> npt.NDArray[np.float32]:
        """Return log-probabilities (frame, vocab) of frames `first` to `end`, less those of the best token."""
        part: npt.NDArray[np.float32] = self.log_probs[first:end].astype(np.float32)
        part -= part.max(axis=1, keepdims=True)
        return part


def compute_outputs(
    transcriber: Transcriber, recording: Recording, heard: Callable[[float], object] = lambda _: None
) -> Outputs:
    """Run the network over a recording, in the windows and batches of the transcriber.

    Args:
        transcriber: holds the recognizer.
        recording: of any length.
        heard: called with seconds of audio whenever some have been computed, for a progress bar.

    Raises:
        InputError: the recording cannot be read, has no audio, or the network's output is not a number.
    """
    recognizer = transcriber.recognizer
    levels = _Levels(round(LEVEL_SECONDS * recognizer.sample_rate))
    measured = Recording(recording.name, lambda rate: levels.of(recording.blocks(rate)))
    parts = []
    for log_probs in transcriber.log_probs(measured):
        parts.append(log_probs.astype(np.float16))
        heard(len(log_probs) * recognizer.frame_seconds)
    if not parts:
        raise InputError(f"{recording.name}: the recording has no audio")
    return Outputs(
        np.concatenate(parts),
        np.concatenate(levels.parts),
        recognizer.frame_seconds,
        levels.samples / recognizer.sample_rate,
        recognizer.tokenizer.blank_id,
    )


class _Levels:
    """The power of blocks that pass by, in dB."""

    def __init__(self, hop: int) -> None:
        self.hop = hop  # samples
        self.samples = 0
        self.parts: list[npt.NDArray[np.float32]] = []

    def of(self, blocks: Iterable[Waveform]) -> Iterator[Waveform]:
        rest = np.zeros(0, np.float32)
        for block in blocks:
            self.samples += len(block)
            waveform = np.concatenate((rest, block))
            whole = len(waveform) // self.hop * self.hop
            self._add(waveform[:whole].reshape(-1, self.hop))
            rest = waveform[whole:]
            yield block
        if len(rest):
            self._add(rest[None])

    def _add(self, frames: npt.NDArray[np.float32]) -> None:
        power = np.square(frames, dtype=np.float64).mean(axis=1)
        self.parts.append(10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10))).astype(np.float32))
