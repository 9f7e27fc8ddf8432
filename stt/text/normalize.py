"""Text normalizers: what a transcript looks like before it is counted, learned or compared.

A normalizer has a name with a version (`russian-1`). The name is stamped into manifests,
checkpoints and results, because error rates of differently normalized texts cannot be compared.
Whatever is changed is counted by kind in `Normalized.changed`; what cannot be turned into spoken
words is counted in `Normalized.refused`, and such a text is not fit for training.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from stt.errors import InputError

# Letters that look alike in both alphabets, as they come out of scans, keyboards and web forms.
_LOOKALIKES = str.maketrans("aekmhopctyxbё", "аекмнорстухве")
_CYRILLIC_WORD = re.compile(r"^[а-я]+$")
_NUMBER = re.compile(r"\d+")
# Marks that are read aloud: dropping them would leave spoken words without a text.
_SPOKEN_SYMBOLS = frozenset("%‰$€£¥₽№&+=@°§#<>^~/\\*|")
_LONGEST_NUMBER = 15  # digits; longer ones are read digit by digit, in no way that can be guessed


@dataclass
class Normalized:
    """A normalized text with the changes made to it and the reasons to refuse it, by kind."""

    text: str
    changed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Normalizer:
    """A named, versioned function from raw text to `Normalized`; applying it twice changes nothing."""

    name: str
    function: Callable[[str], Normalized]

    def __call__(self, text: str) -> Normalized:
        """Normalize one text."""
        return self.function(text)


def get_normalizer(name: str) -> Normalizer:
    """Look a normalizer up by its versioned name.

    Raises:
        InputError: there is no normalizer of that name.
    """
    if name not in NORMALIZERS:
        raise InputError(f"no normalizer is called {name!r}; there are: {', '.join(NORMALIZERS)}")
    return NORMALIZERS[name]


def _words(text: str, result: Normalized) -> list[str]:
    """Split a text into words; punctuation becomes a space and is counted, spoken symbols are refused.

    Apostrophes inside a word stay (don't), and so do combining marks, which are parts of letters.
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
            result.refused[f"symbol {character}"] += 1
        else:
            characters.append(" ")
            if not character.isspace():
                result.changed["punctuation"] += 1
    return "".join(characters).split()


@cache
def _spelled(number: str) -> str:
    from num2words import num2words  # an extra: recognition writes words and spells no numbers

    return str(num2words(int(number), lang="ru"))


def _spell_number(match: re.Match[str], result: Normalized) -> str:
    number = match.group()
    if len(number) > _LONGEST_NUMBER:
        result.refused["long number"] += 1
        return number
    result.changed["number spelled out"] += 1
    # A leading zero is spoken: 007 is "ноль ноль семь".
    zeros = len(number) - len(number.lstrip("0")) if len(number) > 1 else 0
    rest = number[zeros:]
    spoken = ["ноль"] * zeros + ([_spelled(rest)] if rest else [])
    return f" {' '.join(spoken)} "


def russian(text: str) -> Normalized:
    """Normalize Russian: lower case, ё as е, numbers as nominative cardinals, а-я and spaces only.

    Latin letters that look like Cyrillic ones are replaced inside words that are otherwise Cyrillic;
    any other foreign letter is refused, because how it was spoken cannot be known. Numbers are
    spelled in the nominative, which is often not the case that was spoken: they are counted, so
    that a corpus full of them is noticed.
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
                result.refused["foreign letters"] += 1
        words.append(word)
    result.text = " ".join(word for word in words if word)
    return result


def plain(text: str) -> Normalized:
    """Normalize any language: Unicode NFC, lower case, letters, marks and digits of every script.

    Digits stay as they are and are counted: a model can only learn them if they are always spoken
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
