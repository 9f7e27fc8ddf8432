"""Recordings to transcribe: files, parts of files and waveforms, each read when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stt.audio.blocks import audio_blocks
from stt.audio.io import Waveform, read_audio
from stt.audio.source import AudioSource


@dataclass(frozen=True)
class Recording:
    """A recording, as successive parts (sample,) at a sample rate in Hz, and its name for messages."""

    name: str
    blocks: Callable[[int], Iterable[Waveform]]

    @classmethod
    def of(cls, source: Recording | AudioSource | Waveform | Path | str) -> Recording:
        """Return a recording of a file, URL, byte range or waveform (sample,), which has the wanted sample rate."""
        if isinstance(source, Recording):
            return source
        if isinstance(source, np.ndarray):
            return cls("the waveform", lambda _: [source])
        audio = AudioSource.of(source)
        return cls(str(audio), lambda rate: audio_blocks(audio, rate))

    @classmethod
    def excerpt(cls, source: AudioSource, offset: float, duration: float | None) -> Recording:
        """Return a part of a file, `offset` and `duration` in seconds; None: to its end."""
        name = f"{source} ({offset:.2f} s)" if offset else str(source)
        return cls(name, lambda rate: [read_audio(source, rate, offset, duration)])
