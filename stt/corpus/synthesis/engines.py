"""The engines of text-to-speech, and which voice belongs to which."""

from __future__ import annotations

from stt.audio.io import Waveform
from stt.corpus.synthesis.recorded import PROGRAMS, Program
from stt.corpus.synthesis.speech import Speaker

ESPEAK_NG = "espeak-ng"
ENGINES = (ESPEAK_NG, *PROGRAMS)


class Engines:
    """All engines in one process, each started when it speaks for the first time."""

    def __init__(self) -> None:
        """Start none."""
        self._speaker: Speaker | None = None
        self._programs: dict[str, Program] = {}

    def say(self, text: str, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> tuple[Waveform, int]:
        """Synthesize speech (sample,) and return its sample rate in Hz, too; nothing if it cannot be spoken.

        Args:
            text: the text to speak.
            voice: its engine determines the meaning of the others: see `Speaker.say` and `Program.say`.
            words_per_minute: speed.
            pitch: 0 to 100.
            pitch_range: 0 to 100.

        Raises:
            InputError: the engine or the voice is not installed.
        """
        name = next((name for name in PROGRAMS if voice.startswith(f"{name}:")), ESPEAK_NG)
        if name == ESPEAK_NG:
            self._speaker = self._speaker or Speaker()
            return self._speaker.say(text, voice, words_per_minute, pitch, pitch_range), self._speaker.sample_rate
        if name not in self._programs:
            self._programs[name] = PROGRAMS[name]()
        return self._programs[name].say(text, voice, words_per_minute, pitch, pitch_range)
