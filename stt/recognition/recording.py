"""Recordings to transcribe: files, parts of files and waveforms, each read when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stt.audio.blocks import audio_blocks
from stt.audio.io import Waveform
from stt.audio.source import AudioError, AudioSource
from stt.errors import InputError

if TYPE_CHECKING:  # inference from an export does without torch
    from torch import Tensor


@dataclass(frozen=True)
class Recording:
    """A recording, as successive parts (sample,) at a sample rate in Hz, and its name for messages."""

    name: str
    blocks: Callable[[int], Iterable[Waveform]]

    @classmethod
    def of(cls, source: Recording | AudioSource | npt.NDArray[Any] | Tensor | Path | str) -> Recording:
        """Return a recording of a file, URL, byte range or waveform (sample,), which has the wanted sample rate.

        What is wrong with a file or a waveform is an `InputError` when it is read.
        """
        if isinstance(source, Recording):
            return source
        if isinstance(source, AudioSource | Path | str):
            return cls.excerpt(AudioSource.of(source), 0.0, None)
        return cls("the waveform", lambda _: _waveform(source))

    @classmethod
    def excerpt(cls, source: AudioSource, offset: float, duration: float | None) -> Recording:
        """Return a part of a file, `offset` and `duration` in seconds; None: to its end."""
        name = f"{source} ({offset:.2f} s)" if offset else str(source)
        return cls(name, lambda rate: audio_blocks(source, rate, offset, duration))

    def renamed(self, name: str, path: Path) -> Recording:
        """Return the recording under another name, also in the messages that contain its path."""

        def blocks(rate: int) -> Iterator[Waveform]:
            try:
                yield from self.blocks(rate)
            except AudioError as error:
                raise AudioError(str(error).replace(str(path), name)) from error

        return Recording(name, blocks)


def is_waveform(source: object) -> bool:
    """Whether a source is an array or a tensor."""
    return isinstance(source, np.ndarray) or hasattr(source, "detach")


def check_waveform(source: npt.NDArray[Any] | Tensor) -> Waveform:
    """Return a waveform as a contiguous array in float32.

    Raises:
        InputError: it is no array or tensor, or not mono, finite and floating point.
    """
    if not is_waveform(source):
        raise InputError(f"a recording must be a path, an array or a tensor, not of type {type(source).__name__}")
    if not isinstance(source, np.ndarray):
        source = source.detach().cpu()
        source = (source.float() if source.is_floating_point() else source).numpy()  # numpy knows no bfloat16
    waveform = np.asarray(source)
    if waveform.ndim != 1:
        raise InputError(f"the waveform must be mono (sample,), not of shape {waveform.shape}")
    if not np.issubdtype(waveform.dtype, np.floating):
        raise InputError(f"the waveform must be floating point in [-1, 1], not {waveform.dtype}")
    if not np.isfinite(waveform).all():
        raise InputError("the waveform contains NaN or infinity")
    return np.ascontiguousarray(waveform, dtype=np.float32)


def check_rate(sample_rate: float | None) -> int:
    """Return the sample rate of a waveform, Hz.

    Raises:
        InputError: it is missing, or no whole number.
    """
    if sample_rate is None:
        raise InputError("the sample rate of the waveform is missing: transcribe(waveform, sample_rate)")
    if not isinstance(sample_rate, Real) or sample_rate <= 0 or sample_rate % 1:
        raise InputError(f"the sample rate of a waveform must be a whole number of Hz, not {sample_rate!r}")
    return int(sample_rate)


def _waveform(source: npt.NDArray[Any] | Tensor) -> Iterator[Waveform]:
    yield check_waveform(source)
