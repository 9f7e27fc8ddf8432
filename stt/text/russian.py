"""The normalizer `russian-1`: the alphabet of Russian texts, and numbers in the nominative."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from stt.text.normalized import Normalized, split_words

# Letters that look alike in both alphabets, as found in scans, typed text and web forms.
_LOOKALIKES = str.maketrans("aekmhopctyxbё", "аекмнорстухве")
_CYRILLIC_WORD = re.compile(r"^[а-я]+$")
_NUMBER = re.compile(r"\d+")
_MAX_NUMBER_DIGITS = 15  # longer ones are read out in groups of digits that cannot be guessed


def russian(text: str) -> Normalized:
    """Normalize Russian: lower case, ё to е, numbers as nominative cardinals, а-я and spaces only.

    Latin look-alikes are replaced inside words that are otherwise Cyrillic;
    other foreign letters are rejected, because their pronunciation is unknown. Numbers are
    spelled out in the nominative, which is often not the case that was spoken; they are counted, so
    that a corpus with many of them can be noticed.
    """
    result = Normalized("")
    text = without_stress_marks(text).lower()
    text = _NUMBER.sub(lambda match: _spell_number(match, result), text)
    words = []
    for raw in split_words(text, result):
        word = raw.replace("'", "")
        if "ё" in word:
            result.changed["ё to е"] += word.count("ё")
            word = word.replace("ё", "е")
        if not _CYRILLIC_WORD.match(word):
            replaced = in_cyrillic(word)
            if replaced != word:
                result.changed["Latin look-alike"] += sum(a != b for a, b in zip(word, replaced, strict=True))
                word = replaced
            elif word:
                result.rejected["foreign letters"] += 1
        words.append(word)
    result.text = " ".join(word for word in words if word)
    return result


def without_stress_marks(text: str) -> str:
    """Compose the letters of a text (NFC) and remove its stress marks."""
    return unicodedata.normalize("NFC", text).replace("\u0301", "")


def in_cyrillic(word: str) -> str:
    """Replace Latin look-alikes in a word in lower case, if that makes it Cyrillic and it was so in part."""
    replaced = word.translate(_LOOKALIKES)
    return replaced if _CYRILLIC_WORD.match(replaced) and re.search("[а-я]", word) else word


def spell(number: str) -> str:
    """Spell a whole number as a nominative cardinal; a leading zero is spoken: 007 is "ноль ноль семь"."""
    zeros = len(number) - len(number.lstrip("0")) if len(number) > 1 else 0
    rest = number[zeros:]
    return " ".join(["ноль"] * zeros + ([_spelled(rest)] if rest else []))


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
    return f" {spell(number)} "
