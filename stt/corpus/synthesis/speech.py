"""Text-to-speech with the espeak-ng library from `espeakng-loader`, called through ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import espeakng_loader
import numpy as np

from stt.audio.io import Waveform
from stt.errors import InputError

# From espeak-ng's speak_lib.h.
_RETRIEVAL = 1
_POSITION_CHARACTER = 1
_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_FEMALE = 2
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class _VoiceRecord(ctypes.Structure):
    """The `espeak_VOICE` of speak_lib.h; `languages` is a list of a priority byte and a string each."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


@dataclass(frozen=True)
class Voice:
    """A voice of a language, or a variant, which changes the sound of any voice: `VOICE+VARIANT` is a voice as well."""

    name: str
    languages: tuple[str, ...]  # in lower case; empty for a variant
    female: bool


class Speaker:
    """The espeak-ng instance of this process: it has global state, and a second initialization would hang.

    Its output is reproducible bit for bit only in a fresh process with the same calls in the same order.
    """

    _started = False

    def __init__(self) -> None:
        """Load the library.

        Raises:
            RuntimeError: it was already started in this process.
            InputError: espeak-ng cannot find its data.
        """
        if Speaker._started:
            raise RuntimeError("espeak-ng can be started only once per process")
        Speaker._started = True
        self._library: Any = ctypes.cdll.LoadLibrary(str(espeakng_loader.get_library_path()))
        data = str(espeakng_loader.get_data_path()).encode()
        self.sample_rate = int(self._library.espeak_Initialize(_RETRIEVAL, 0, data, 0))
        if self.sample_rate <= 0:
            raise InputError("espeak-ng failed to start: reinstall espeakng-loader")
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(0))  # breath is noise, seeded by the time otherwise
        self._chunks: list[Waveform] = []
        self._callback = _CALLBACK(self._receive)  # keep a reference, or it would be freed while the library uses it
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> Waveform:
        """Synthesize speech (sample,) at `sample_rate` Hz; it is empty if the text has nothing to speak.

        Args:
            text: the text to speak.
            voice: language and variant, such as `ru+f3`.
            words_per_minute: speed, 80 to 450.
            pitch: 0 to 100.
            pitch_range: 0 (monotonous) to 100.

        Raises:
            InputError: the voice does not exist.
        """
        library = self._library
        if library.espeak_SetVoiceByName(voice.encode()):
            raise InputError(f"espeak-ng has no voice {voice}")
        for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, value, 0)
        self._chunks = []
        data = text.encode()
        library.espeak_Synth(data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        library.espeak_Synchronize()
        return np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.float32)

    def voices(self) -> list[Voice]:
        """List the voices of all languages."""
        return [Voice(_name(one), _languages(one.languages), one.gender == _FEMALE) for one in self._list(None)]

    def variants(self) -> list[Voice]:
        """List the variants."""
        return [Voice(_name(one), (), one.gender == _FEMALE) for one in self._list(b"variant")]

    def _list(self, language: bytes | None) -> Iterator[_VoiceRecord]:
        buffer = ctypes.create_string_buffer(language) if language else None
        wanted = _VoiceRecord(languages=ctypes.addressof(buffer)) if buffer else None
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceRecord))
        records = self._library.espeak_ListVoices(ctypes.byref(wanted) if wanted else None)
        i = 0
        while records[i]:
            yield records[i].contents
            i += 1

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if count > 0:
            pcm = np.ctypeslib.as_array(samples, shape=(count,))
            self._chunks.append(pcm.astype(np.float32) / 32768)
        return 0


def _name(record: _VoiceRecord) -> str:
    """Return the name of a voice's file, by which it can be selected."""
    return str(record.identifier.decode()).rpartition("/")[2]


def _languages(address: int) -> tuple[str, ...]:
    """Read a list of languages, which ends with a priority of zero."""
    languages = []
    while ctypes.string_at(address, 1) != b"\0":
        language = ctypes.string_at(address + 1)
        languages.append(language.decode().lower())
        address += len(language) + 2
    return tuple(languages)
