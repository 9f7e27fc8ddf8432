"""Durations of audio that is verified; of the many segments of a recording, one pays for it."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from concurrent.futures import Future

from stt.audio.io import audio_info
from stt.audio.source import AudioError, AudioSource, is_remote

RECENT = 1024  # references to audio whose durations are remembered

_Key = tuple[AudioSource, int, int]
_recent: OrderedDict[_Key, Future[float | str]] = OrderedDict()  # the duration, or why the audio cannot be read
_lock = threading.Lock()


def verified_duration(source: AudioSource) -> float:
    """Return the duration of audio, seconds, which is verified unless it was recently and its file is unchanged.

    Raises:
        AudioError: the audio is missing, empty, damaged or in no format that can be read.
    """
    key = _key(source)
    if key is None:
        return audio_info(source, verify=True).duration
    with _lock:
        found = _recent.pop(key, None)
        future = _recent[key] = found or Future()
        if len(_recent) > RECENT:
            _recent.popitem(last=False)
    if not found:  # by no other thread either; those that come meanwhile wait for this one
        try:
            future.set_result(audio_info(source, verify=True).duration)
        except AudioError as error:
            future.set_result(str(error))
        except BaseException as error:
            with _lock:
                _recent.pop(key, None)
            future.set_exception(error)
            raise
    result = future.result()
    if isinstance(result, str):
        raise AudioError(result)
    return result


def _key(source: AudioSource) -> _Key | None:
    """Return what identifies the content of a local file; None where there is none."""
    if is_remote(source.address):
        return None
    try:
        found = os.stat(source.address)
    except (OSError, ValueError):  # missing, or no possible name
        return None
    return source, found.st_size, found.st_mtime_ns
