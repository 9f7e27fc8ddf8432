"""What every normalizer returns, and the split of a text into words that all of them share."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field

# Symbols that are read aloud: dropping them would leave spoken words without a transcript.
_SPOKEN_SYMBOLS = frozenset("%‰$€£¥₽№&+=@°§#<>^~/\\*|")


@dataclass
class Normalized:
    """A normalized text with the changes made to it and the reasons to reject it, counted by kind."""

    text: str
    changed: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


def is_spoken_symbol(character: str) -> bool:
    """Return whether a character that is not a letter is read aloud."""
    return character in _SPOKEN_SYMBOLS or unicodedata.category(character) == "Sc"


def split_words(text: str, result: Normalized) -> list[str]:
    """Split a text into words; punctuation is counted and replaced by spaces, spoken symbols are rejected.

    Apostrophes inside words (don't) and combining marks, which are parts of letters, are kept.
    """
    characters = []
    for i, character in enumerate(text):
        if unicodedata.category(character)[0] in "LMN":
            characters.append(character)
            continue
        inside_word = 0 < i < len(text) - 1 and text[i - 1].isalpha() and text[i + 1].isalpha()
        if character in "'’" and inside_word:
            characters.append("'")
        elif is_spoken_symbol(character):
            result.rejected[f"symbol {character}"] += 1
        else:
            characters.append(" ")
            if not character.isspace():
                result.changed["punctuation"] += 1
    return "".join(characters).split()
