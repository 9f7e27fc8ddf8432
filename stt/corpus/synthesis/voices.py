"""The choice of voices for a language: accents of espeak-ng with variants, or the installed voices of a program."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain, cycle, zip_longest

import numpy as np

from stt.corpus.synthesis.recorded import Program
from stt.corpus.synthesis.speech import Speaker, Voice
from stt.errors import InputError

# Variants that sound like no person: robots, effects, whispers without a voice, and a test.
_UNNATURAL = re.compile(r"robo|announcer|caleb|demonic|fast|whisper", re.IGNORECASE)
_SCRIPT = re.compile(r"-[a-z]{4}(?=-|$)")  # of a language tag; such voices read another alphabet


def list_voices() -> tuple[list[Voice], list[Voice]]:
    """List all voices and variants; to be called in a process of its own, as all of espeak-ng."""
    speaker = Speaker()
    return speaker.voices(), speaker.variants()


def choose_voices(
    voices: Sequence[Voice], variants: Sequence[Voice], language: str, count: int, rng: np.random.Generator
) -> list[str]:
    """Choose names of voices for a language: half of them female as far as there are such variants.

    Args:
        voices: those of all languages.
        variants: all variants.
        language: a language such as `en`, with all its accents, or one accent such as `en-us`.
        count: number of voices; fewer are returned if there are no more.
        rng: draws the variants and the accents that speak them.

    Raises:
        InputError: espeak-ng does not speak the language.
    """
    accents = [voice.name for voice in voices if _speaks(voice, language.lower())]
    if not accents:
        codes = sorted({one.languages[0].partition("-")[0] for one in voices})
        raise InputError(f"espeak-ng has no voice for the language {language!r}; it speaks {', '.join(codes)}")
    natural = [variant for variant in variants if not _UNNATURAL.search(variant.name)]
    sexes = [[one.name for one in natural if one.female is female] for female in (True, False)]
    shuffled = [[str(name) for name in rng.permutation(sorted(names))] for names in sexes]
    alternating = [name for name in chain(*zip_longest(*shuffled)) if name]
    accents = [str(name) for name in rng.permutation(sorted(accents))]
    chosen: list[str] = []
    for shift in range(len(accents)):  # every variant with one accent first, then with the next one
        shifted = cycle(accents[shift:] + accents[:shift])
        chosen += [f"{accent}+{variant}" for variant, accent in zip(alternating, shifted, strict=False)]
    return chosen[:count]


def choose_recorded_voices(program: Program, language: str, count: int, rng: np.random.Generator) -> list[str]:
    """Choose names of installed voices for a language, at most `count`.

    Args:
        program: the program that speaks.
        language: a language such as `en`, with all its accents, or one accent such as `en-us`.
        count: number of voices; fewer are returned if there are no more.
        rng: draws them if there are more.

    Raises:
        InputError: no voice of the language is installed.
    """
    known = [voice for voice in program.voices() if _speaks(voice, language.lower())]
    names = sorted(voice.name for voice in known if program.installed(voice.name))
    if not names:
        raise InputError(f"--engine {program.name}: no voice of {language!r} is installed ({program.packages})")
    return sorted(str(name) for name in rng.permutation(names)[:count])


def _speaks(voice: Voice, language: str) -> bool:
    """Return whether a voice speaks the language, or an accent of it, in its usual alphabet unless asked otherwise."""
    if not any(f"{tag}-".startswith(f"{language}-") for tag in voice.languages):
        return False
    tags = (voice.name.lower(), *voice.languages)
    return bool(_SCRIPT.search(language)) or not any(_SCRIPT.search(tag) for tag in tags)
