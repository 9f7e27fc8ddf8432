"""Text-to-speech with the espeak-ng library from `espeakng-loader`, called through ctypes."""

from __future__ import annotations

import ctypes
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
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


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
        self._chunks: list[Waveform] = []
        self._callback = _CALLBACK(self._receive)  # keep a reference, or it would be freed while the library uses it
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> Waveform:
        """Synthesize speech (sample,) at `sample_rate` Hz.

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
        return np.concatenate(self._chunks)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if count > 0:
            pcm = np.ctypeslib.as_array(samples, shape=(count,))
            self._chunks.append(pcm.astype(np.float32) / 32768)
        return 0
