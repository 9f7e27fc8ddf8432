"""Voices built from recordings of people, spoken by programs of the system: MBROLA, through espeak-ng, and RHVoice."""

from __future__ import annotations

import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from stt.audio.io import Waveform
from stt.corpus.synthesis.speech import Voice
from stt.errors import InputError

TIMEOUT = 60  # seconds for one sentence, which takes a tenth of a second

# RHVoice names languages in English.
_RHVOICE_LANGUAGES = {
    "Albanian": "sq",
    "Brazilian-Portuguese": "pt-br",
    "Croatian": "hr",
    "Czech": "cs",
    "English": "en",
    "Esperanto": "eo",
    "Georgian": "ka",
    "Kyrgyz": "ky",
    "Macedonian": "mk",
    "Polish": "pl",
    "Russian": "ru",
    "Serbian": "sr",
    "Slovak": "sk",
    "Spanish": "es",
    "Tatar": "tt",
    "Turkmen": "tk",
    "Ukrainian": "uk",
    "Uzbek": "uz",
}
_RHVOICE_WORDS_PER_MINUTE = 160  # at its default rate, on espeak-ng's scale


class Program(ABC):
    """A program that speaks one sentence into a WAV file, in voices that are packages of the system."""

    name: str  # of a voice: NAME:VOICE
    programs: tuple[str, ...]
    packages: str  # what to install

    def __init__(self) -> None:
        """Find the programs.

        Raises:
            InputError: one is not installed.
        """
        missing = [program for program in self.programs if not shutil.which(program)]
        if missing:
            raise InputError(f"--engine {self.name}: {', '.join(missing)} not found: install it ({self.packages})")

    @abstractmethod
    def voices(self) -> list[Voice]:
        """List the voices of all languages; those of some may not be installed."""

    @abstractmethod
    def command(self, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> Sequence[str]:
        """Return the command that reads the text from standard input, without the output file that will follow it."""

    def installed(self, voice: str) -> bool:
        """Return whether a voice of the list is installed."""
        return len(self.say("a", voice, 150, 50, 50)[0]) > 0

    def say(self, text: str, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> tuple[Waveform, int]:
        """Synthesize speech (sample,) and return its sample rate in Hz, too; nothing if it cannot be spoken.

        Args:
            text: the text to speak.
            voice: name of a voice.
            words_per_minute: speed, 80 to 450.
            pitch: 0 to 100; 50 is the speaker's own.
            pitch_range: 0 (monotonous) to 100, where the program can vary it.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            command = [*self.command(voice, words_per_minute, pitch, pitch_range), str(path)]
            with suppress(subprocess.TimeoutExpired, soundfile.LibsndfileError):  # the latter: no file, or an empty one
                subprocess.run(command, input=f"{text}\n".encode(), capture_output=True, check=False, timeout=TIMEOUT)
                samples, sample_rate = soundfile.read(path, dtype="float32")
                return samples, sample_rate
        return np.zeros(0, np.float32), 1


class Mbrola(Program):
    """Diphones of a speaker, joined as espeak-ng says; those of many languages speak English, with their accent."""

    name = "mbrola"
    programs = ("espeak-ng", "mbrola")
    packages = "Debian: espeak-ng, and mbrola and mbrola-us1 ... of contrib and non-free"

    def voices(self) -> list[Voice]:
        """List the voices that espeak-ng knows."""
        done = subprocess.run(["espeak-ng", "--voices=mb"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"--engine {self.name}: espeak-ng cannot list its voices ({done.stderr.strip()})")
        return list(_mbrola_voices(done.stdout))

    def command(self, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> Sequence[str]:
        """Return the command that speaks from standard input; espeak-ng 1.51 cannot vary the intonation."""
        speech = ["-s", str(words_per_minute), "-p", str(pitch)]
        return ["espeak-ng", "--stdin", "-v", voice.removeprefix(f"{self.name}:"), *speech, "-w"]


class RHVoice(Program):
    """Statistical parametric voices, mostly for the languages of Eastern Europe and Central Asia."""

    name = "rhvoice"
    programs = ("RHVoice-test",)
    packages = "Debian: rhvoice and rhvoice-english, rhvoice-russian ... of non-free"

    def voices(self) -> list[Voice]:
        """List the installed voices."""
        program = shutil.which(self.programs[0])
        assert program is not None
        found = []
        for path in sorted((Path(program).resolve().parent.parent / "share/RHVoice/voices").glob("*/voice.info")):
            fields = dict(line.strip().split("=", 1) for line in path.read_text().splitlines() if "=" in line)
            language = fields.get("language", "")
            language = _RHVOICE_LANGUAGES.get(language, language.lower())
            found.append(Voice(f"{self.name}:{path.parent.name}", (language,), fields.get("gender") == "female"))
        return found

    def command(self, voice: str, words_per_minute: int, pitch: int, pitch_range: int) -> Sequence[str]:
        """Return the command that speaks from standard input; it cannot vary the intonation either."""
        rate = round(100 * words_per_minute / _RHVOICE_WORDS_PER_MINUTE)
        percent = round(100 * 2 ** ((pitch - 50) / 100))  # within half an octave
        profile = voice.removeprefix(f"{self.name}:")
        return ["RHVoice-test", "--profile", profile, "--rate", str(rate), "--pitch", str(percent), "--output"]


PROGRAMS: dict[str, type[Program]] = {program.name: program for program in (Mbrola, RHVoice)}


def _mbrola_voices(table: str) -> Iterator[Voice]:
    """Read espeak-ng's table: priority, language, age/sex, name, file `mb/mb-us1`, other languages `(en 2)(de 5)`."""
    for line in table.splitlines()[1:]:
        _, language, sex, _, file, *others = line.split(maxsplit=5)
        languages = (language, *re.findall(r"\(([^ )]+)", others[0] if others else ""))
        name = f"{Mbrola.name}:{file.rpartition('/')[2]}"
        yield Voice(name, tuple(tag.lower() for tag in languages), sex.endswith("F"))
