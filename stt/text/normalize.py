"""Text normalizers, applied to transcripts before they are counted, learned or compared.

A normalizer has a name with a version (`russian-1`). The name is stored in manifests,
checkpoints and results, because error rates of differently normalized texts are not comparable.
Changes are counted by kind in `Normalized.changed`; whatever cannot be turned into spoken
words is counted in `Normalized.rejected`, and such texts must not be used for training.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from stt.errors import InputError

# Letters that look alike in both alphabets, as found in scans, typed text and web forms.
_LOOKALIKES = str.maketrans("aekmhopctyxbё", "аекмнорстухве")
_CYRILLIC_WORD = re.compile(r"^[а-я]+$")
_NUMBER = re.compile(r"\d+")
# Symbols that are read aloud: dropping them would leave spoken words without a transcript.
_SPOKEN_SYMBOLS = frozenset("%‰$€£¥₽№&+=@°§#<>^~/\\*|")
# Format characters and variation selectors: soft hyphens, byte order marks, marks of direction ... Joiners (U+200C,
# U+200D) are not among them, because they are spelling in Persian and Indic scripts; nor is the zero width space
# after letters of Thai, Lao, Burmese and Khmer, which use it between words.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]"
    "|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"
)
_MAX_NUMBER_DIGITS = 15  # longer ones are read out in groups of digits that cannot be guessed


@dataclass
class Normalized:
    """A normalized text with the changes made to it and the reasons to reject it, counted by kind."""

    text: str
    changed: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Normalizer:
    """A named, versioned, idempotent function from raw text to `Normalized`."""

    name: str
    function: Callable[[str], Normalized]

    def __call__(self, text: str) -> Normalized:
        """Normalize one text.

        Invisible characters are removed here, before the function of any name, which would split words at them. No
        name means another function for it: what is written in visible characters stays as it was, and so does every
        text that is normalized already, as none of them is left in it.
        """
        visible, count = _INVISIBLE.subn("", text)
        result = self.function(visible)
        if count:
            result.changed["invisible character removed"] += count
        return result


def get_normalizer(name: str) -> Normalizer:
    """Look up a normalizer by its versioned name.

    Raises:
        InputError: there is no normalizer of that name.
    """
    if name not in NORMALIZERS:
        raise InputError(f"unknown normalizer {name!r}; available: {', '.join(NORMALIZERS)}")
    return NORMALIZERS[name]


def _words(text: str, result: Normalized) -> list[str]:
    """Split a text into words; punctuation is counted and replaced by spaces, spoken symbols are rejected.

    Apostrophes inside words (don't) and combining marks, which are parts of letters, are kept.
    """
    characters = []
    for i, character in enumerate(text):
        category = unicodedata.category(character)
        if category[0] in "LMN":
            characters.append(character)
            continue
        inside_word = 0 < i < len(text) - 1 and text[i - 1].isalpha() and text[i + 1].isalpha()
        if character in "'’" and inside_word:
            characters.append("'")
        elif character in _SPOKEN_SYMBOLS or category == "Sc":
            result.rejected[f"symbol {character}"] += 1
        else:
            characters.append(" ")
            if not character.isspace():
                result.changed["punctuation"] += 1
    return "".join(characters).split()


@cache
def _spelled(number: str) -> str:
    from num2words import num2words  # an extra: recognition does not need to spell out numbers

    return str(num2words(int(number), lang="ru"))


def _spell_number(match: re.Match[str], result: Normalized) -> str:
    number = match.group()
    if len(number) > _MAX_NUMBER_DIGITS:
        result.rejected["long number"] += 1
        return number
    result.changed["number spelled out"] += 1
    # A leading zero is spoken: 007 is "ноль ноль семь".
    zeros = len(number) - len(number.lstrip("0")) if len(number) > 1 else 0
    rest = number[zeros:]
    spoken = ["ноль"] * zeros + ([_spelled(rest)] if rest else [])
    return f" {' '.join(spoken)} "


def russian(text: str) -> Normalized:
    """Normalize Russian: lower case, ё to е, numbers as nominative cardinals, а-я and spaces only.

    Latin look-alikes are replaced inside words that are otherwise Cyrillic;
    other foreign letters are rejected, because their pronunciation is unknown. Numbers are
    spelled out in the nominative, which is often not the case that was spoken; they are counted, so
    that a corpus with many of them can be noticed.
    """
    result = Normalized("")
    text = unicodedata.normalize("NFC", text).lower().replace("\u0301", "")  # stress marks
    text = _NUMBER.sub(lambda match: _spell_number(match, result), text)
    words = []
    for raw in _words(text, result):
        word = raw.replace("'", "")
        if "ё" in word:
            result.changed["ё to е"] += word.count("ё")
            word = word.replace("ё", "е")
        if not _CYRILLIC_WORD.match(word):
            replaced = word.translate(_LOOKALIKES)
            if _CYRILLIC_WORD.match(replaced) and re.search("[а-я]", word):
                result.changed["Latin look-alike"] += sum(a != b for a, b in zip(word, replaced, strict=True))
                word = replaced
            elif word:
                result.rejected["foreign letters"] += 1
        words.append(word)
    result.text = " ".join(word for word in words if word)
    return result


def plain(text: str) -> Normalized:
    """Normalize any language: Unicode NFC, lower case; keep letters, marks and digits of every script.

    Digits are kept and counted: a model can only learn them if they are always spoken
    the same way.
    """
    result = Normalized("")
    words = _words(unicodedata.normalize("NFC", text).lower(), result)
    digits = sum(character.isnumeric() for word in words for character in word)
    if digits:
        result.changed["digit kept"] += digits
    result.text = unicodedata.normalize("NFC", " ".join(words))
    return result


NORMALIZERS = {n.name: n for n in (Normalizer("russian-1", russian), Normalizer("plain-1", plain))}
