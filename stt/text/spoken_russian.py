"""The normalizer `russian-2`: numbers, dates, units and abbreviations in words, in the case that the sentence wants.

The cases are found by ru-normalizr; `stt.text.russian_rules` rewrites what it does not know, and `russian-1` makes
the final text, so that both have one alphabet.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING

from stt.text.normalized import Normalized, is_spoken_symbol
from stt.text.russian import in_cyrillic, russian, without_stress_marks

if TYPE_CHECKING:
    from ru_normalizr import Normalizer

# Nothing in such a text has to be read out: words and punctuation, and no full stop after what may be an abbreviation.
_WORDS_ALONE = re.compile(r"(?:[а-яё\s,!?:;…«»\"„“()—–]|(?<=[а-яё]{6})\.)*", re.IGNORECASE)
_LATIN_WORD = re.compile(r"[^\W\d_]*[a-z][^\W\d_]*", re.IGNORECASE)
_COMPOSED = re.compile(r"[¼-¾⅐-ⅿ]|[^\D0-9]")  # fractions and Roman numerals of one character, digits of other scripts
_KNOWN = re.compile(r"[a-zа-яё0-9²³\W_]*", re.IGNORECASE)
_TOKEN = re.compile(r"\d{1,3}(?:\s\d{3})+(?!\d)|\d+(?:[.,:/–—-]\d+)*|[^\W\d_]+|\S")
_KINDS = [  # of what was changed, by the first that is found in it
    ("sign", re.compile(r"[%‰$€£¥₽№+=°§<>~*−≈±×]")),
    ("Roman numeral", re.compile("[ivxlcdm]")),
    ("date", re.compile(r"\d\.\d\d?\.\d|\d{4}-\d\d-\d\d")),
    ("phone number", re.compile(r"\d-\d\d-\d\d|\d{11}")),
    ("time or score", re.compile(r"\d:\d")),
    ("range", re.compile(r"\d ?[–—-] ?\d")),
    ("fraction", re.compile(r"\d/\d|[½⅓⅔¼¾⅛]")),
    ("number with a unit or an ending", re.compile(r"\d.*[а-яё]")),
    ("decimal", re.compile(r"\d[.,]\d")),
    ("number", re.compile(r"\d")),
    ("abbreviation", re.compile("")),
]
_MAX_CHARACTERS = 2_000  # two minutes of speech; the time that ru-normalizr takes grows with the square
# What cannot be read out with certainty, in the text with all rules applied, and in what ru-normalizr made of it.
_AMBIGUOUS = {
    "long number": re.compile(r"(?:\d{3}\s){5}\d{3}"),
    "initials": re.compile(r"\b[А-ЮЁ]\.(?=\s?[А-ЯЁ])"),  # letters, or names; not «Я.», which is a sentence
    "symbol −": re.compile(r"−(?!\s?\d)|\d\s?−"),  # between numbers it is a minus, or a dash
    "full stop before three digits": re.compile(r"(?<![\d.])\d{1,3}\.\d{3}(?![\d.])"),  # decimals, or thousands
}
_STROKE = re.compile(r"(\d+)/(\d+)")  # a fraction, or 24/7, or 2020/21
_ABBREVIATION = re.compile(r"\b(?!гм|хм|кхм|тсс|брр)[бвгджзйклмнпрстфхцчшщ]{1,5}\.(?=\s*[\w,;:])")


def spoken_russian(text: str) -> Normalized:
    """Normalize Russian as it is read aloud: lower case, ё to е, а-я and spaces only, no digits and no signs.

    A text that `russian-1` would leave as it is stays as it is. Changes are counted by comparing the words
    before and after; what is not read with certainty (foreign words, initials, unknown signs and abbreviations)
    is rejected.

    Raises:
        ModuleNotFoundError: the extra `train` is not installed, and there is something to read out.
    """
    composed = _COMPOSED.sub(_decomposed, without_stress_marks(text))
    plain = russian(composed)
    if plain.text == text or "long number" in plain.rejected or not _KNOWN.fullmatch(composed):
        return plain
    composed = _LATIN_WORD.sub(_in_cyrillic, composed)
    if _WORDS_ALONE.fullmatch(composed):
        return plain
    if len(composed) > _MAX_CHARACTERS:
        plain.rejected[f"more than {_MAX_CHARACTERS:,} characters to read out"] += 1
        return plain
    rewritten, spoken = _read_out(composed)
    result = russian(spoken.replace("ё", "е"))
    result.changed += _changes(composed, spoken, result.rejected)
    result.changed += Counter({kind: plain.changed[kind] for kind in ("ё to е", "Latin look-alike")})
    result.rejected += _uncertain(rewritten, spoken)
    return result


def _read_out(text: str) -> tuple[str, str]:
    """Return the text with our rules applied, and then with everything in words."""
    from stt.text.russian_rules import rewrite  # the extra `train`: recognition does not need to read texts out

    rewritten = rewrite(text)
    spoken = _reader().normalize(rewritten)
    if "втор" not in text.lower():
        spoken = re.sub(r"\b([вкс])(?=\sвтор)", r"\1о", spoken, flags=re.IGNORECASE)  # во второй, ко второму
    return rewritten, spoken


@cache
def _reader() -> Normalizer:
    from ru_normalizr import NormalizeOptions, Normalizer

    return Normalizer(NormalizeOptions.safe())


def _decomposed(match: re.Match[str]) -> str:
    parts = unicodedata.normalize("NFKC", match[0]).replace("\u2044", "/")  # ½ is 1/2, Ⅳ is IV, ٣ is 3
    if match[0].isdecimal():
        return str(int(match[0]))
    return f" {parts}" if "/" in parts else parts


def _in_cyrillic(match: re.Match[str]) -> str:
    word = match[0]
    replaced = in_cyrillic(word.lower())
    return word if replaced == word.lower() else replaced


def _uncertain(rewritten: str, spoken: str) -> Counter[str]:
    """Count the reasons to reject what was read out."""
    reasons = Counter(kind for kind, pattern in _AMBIGUOUS.items() if pattern.search(rewritten))
    reasons += Counter(["abbreviation"] if _ABBREVIATION.search(spoken) else [])
    for over, under in _STROKE.findall(rewritten):
        if not int(over) < int(under) <= 100:
            reasons["stroke between numbers"] += 1
    for sign in spoken:  # ≠, √ ...; russian-1 rejects the others
        if unicodedata.category(sign) == "Sm" and not is_spoken_symbol(sign):
            reasons[f"symbol {sign}"] += 1
    return reasons


def _changes(before: str, after: str, rejected: Counter[str]) -> Counter[str]:
    """Count what was read out, by kind; a word of the text with nothing in its place is lost, and rejected."""
    changed: Counter[str] = Counter()
    old, new = _tokens(before), _tokens(after)
    for operation, start, end, *_ in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if operation == "delete":
            rejected["text that was lost"] += 1
        elif operation == "insert":
            changed["word added"] += 1
        elif operation == "replace":
            pieces = _pieces(old[start:end])
            changed.update(next(kind for kind, pattern in _KINDS if pattern.search(piece)) for piece in pieces)
    return changed


def _pieces(tokens: list[str]) -> list[str]:
    """Join tokens to pieces with a number each, and whatever follows it."""
    pieces: list[str] = []
    for token in tokens:
        if pieces and not (token[0].isdigit() and re.search(r"\d", pieces[-1])):
            pieces[-1] += f" {token}"
        else:
            pieces.append(token)
    return pieces


def _tokens(text: str) -> list[str]:
    """Split into numbers, words and signs that may be read aloud, without the punctuation."""
    found = _TOKEN.findall(text.lower().replace("ё", "е"))
    return [
        token for token in found if token[0].isalnum() or is_spoken_symbol(token) or unicodedata.category(token) == "Sm"
    ]
