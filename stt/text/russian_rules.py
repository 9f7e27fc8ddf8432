"""Notation that ru-normalizr 1.3 reads wrongly or leaves, rewritten in words before it sees the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from num2words import num2words
from pymorphy3 import MorphAnalyzer

from stt.text.russian import spell

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]
_MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()
_MONTH = rf"(?:{'|'.join(_MONTHS)})\b"
# The case after a preposition, as a letter of num2words; of two possible ones, that which notation mostly has.
_CASES = {
    **dict.fromkeys("без вне для до из около от после против с со у".split(), "g"),
    **dict.fromkeys("к ко по согласно".split(), "d"),
    **dict.fromkeys("за между над перед под".split(), "i"),
    **dict.fromkeys("в во на о об при".split(), "p"),
}
_MORPHOLOGY = {"n": "nomn", "g": "gent", "d": "datv", "i": "ablt", "p": "loct"}
# Abbreviations that are always read the same way.
_FIXED = {
    "в т. ч.": "в том числе",
    "и пр.": "и прочее",
    "им.": "имени",
    "т. о.": "таким образом",
    "тел.": "телефон",
}
# Nouns that take the case of the preposition before them; most stand before a name, the rest before a number.
_BEFORE_NAME = {
    "акад": "академик",
    "ген": "генерал",
    "д": "деревня",
    "доц": "доцент",
    "инж": "инженер",
    "м": "метро",
    "наб": "набережная",
    "пр": "проспект",
    "проф": "профессор",
    "р": "река",
    "с": "село",
}
_BEFORE_NUMBER = {"рис": "рисунок", "т": "том", "ч": "часть"}
_WAR = {"I": "перв", "II": "втор"}
_MONEY = {"$": "долларов", "€": "евро", "£": "фунтов стерлингов", "₽": "рублей"}


@cache
def _morphology() -> MorphAnalyzer:
    return MorphAnalyzer()


@cache
def _inflected(noun: str, case: str) -> str:
    parse = next(parse for parse in _morphology().parse(noun) if "NOUN" in parse.tag and "nomn" in parse.tag)
    form = parse.inflect({_MORPHOLOGY[case]})
    return form.word if form else noun


def _case(preposition: str | None) -> str:
    return _CASES[preposition.strip().lower()] if preposition else "n"


def _cardinal(number: str, case: str, **options: Any) -> str:
    if case == "n":
        return spell(number)
    return str(num2words(int(number), lang="ru", case=case, **options))


def _noun(nouns: dict[str, str]) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        return f"{match[1] or ''}{_inflected(nouns[match[2].lower()], _case(match[1]))} "

    return replace


def _time(match: re.Match[str]) -> str:
    """Read 9:05 as "девять ноль пять" in the case of the preposition; "в" and "на" want the accusative here."""
    preposition, hour, minute = match.groups()
    case = _case(preposition)
    case = "n" if case == "p" else case
    minutes = "ноль ноль" if minute == "00" else spell(minute) if minute < "10" else _cardinal(minute, case)
    return f"{preposition or ''}{_cardinal(str(int(hour)), case)} {minutes}"


def _phone(match: re.Match[str]) -> str:
    plus, *groups = match.groups()
    return "плюс " * bool(plus) + " ".join(spell(group) for group in groups if group)


def _day(match: re.Match[str]) -> str:
    """Read a day of a month as what it is called, not as when something was: "сегодня третье сентября"."""
    return f"{match[1]}{num2words(int(match[2]), lang='ru', to='ordinal', gender='n')} "


def _lack(match: re.Match[str]) -> str:
    gender = "f" if match[3].endswith(("ы", "и")) else "m"
    return f"{match[1]}{_cardinal(match[2], 'g', gender=gender)} "


def _anniversary(match: re.Match[str]) -> str:
    if match[1] == "1000":
        return "тысячелети"
    return re.sub(r"\bста\b|(?<=девяно)ста\b", "сто", _cardinal(match[1], "g")).replace(" ", "") + "лети"


def _spoons(match: re.Match[str]) -> str:
    number = match[1]
    if not number.isdecimal():
        return f"{number} столовой ложки"
    if number.endswith(("11", "12", "13", "14")) or number[-1] in "056789":
        return f"{number} столовых ложек"
    return f"{number} столовую ложку" if number[-1] == "1" else f"{number} столовые ложки"


def _rule(pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> Rule:
    return re.compile(pattern, re.IGNORECASE), replacement


def _abbreviation(short: str, long: str) -> Rule:
    return _rule(rf"\b{re.escape(short)}(?!\w)".replace(r"\ ", r"\s?"), long)


_PREPOSITION = rf"\b((?:{'|'.join(sorted(_CASES, key=len, reverse=True))})\s+)?"
_NAME = r"(?=[«\"]?(?-i:[А-ЯЁ])|реки\b|канала\b)"
_RULES: list[Rule] = [
    _rule(r"(?<![\d+])(\+)?([78])[\s(-]*(\d{3})[\s)-]*(\d{3})[\s-]?(\d\d)[\s-]?(\d\d)(?!\d)", _phone),
    _rule(r"(?<=[а-яё])(?<!\bм)(?<!\b[ксмд]м)(?=\d)", " "),  # слово1, which would lose its number
    *(_abbreviation(short, long) for short, long in _FIXED.items()),
    _rule(r"\bт\.\s?н\.\s*(?=\w+ая\b)", "так называемая "),
    _rule(r"\b([пч])\.\s*(\d+)\s+ст\.", r"\1. \2 статьи"),
    _rule(rf"(?<!\d\s){_PREPOSITION}\b({'|'.join(_BEFORE_NAME)})\.\s*{_NAME}", _noun(_BEFORE_NAME)),
    _rule(rf"{_PREPOSITION}\b({'|'.join(_BEFORE_NUMBER)})\.\s*(?=\d)", _noun(_BEFORE_NUMBER)),
    _rule(r"(\d[\d.,/]*)\s*ст\.\s?л\.", _spoons),
    _rule(
        r"([$€£₽])\s?(\d[\d\s,.]*?)\s?(тыс|млн|млрд|трлн)\b\.?",
        lambda match: f"{match[2]} {match[3]} {_MONEY[match[1]]}",
    ),
    _rule(rf"{_PREPOSITION}(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])", _time),
    _rule(rf"(\b{_MONTH}(?:\s+\d{{4}}\s+года)?\s+по\s+)(\d\d?)\s+(?={_MONTH})", _day),
    _rule(rf"(\b(?:сегодня|завтра|вчера|наступило|настало)\s+[—-]?\s*)(\d\d?)\s+(?={_MONTH}\s*(?:[.,!?]|$))", _day),
    _rule(r"(\b(?:нет|не\s+(?:хватает|хватило|хватит|было|будет|осталось))\s+)(\d+)\s+(?=(\w+))", _lack),
    _rule(rf"(?<![\d.,:/()+-])(?<!\d\s)0\d{{1,8}}(?![\d.,:/-]|\s+(?:{_MONTH}|\d))", lambda match: spell(match[0])),
    _rule(r"\b(\d{1,3}|1000)-?лети(?=[еяюий])", _anniversary),
    _rule(r"(?<=\d)\.{2,3}(?=[+−-]?\d)", "…"),  # two signs would become one
    _rule(r"(?<!\w)[≈~](?=\s?\d)", "примерно "),
    _rule(r"(?<=\d)\+(?![\w+])(?!\s*\d)", " плюс"),
    _rule(r"№\s?№", "номера "),
    _rule(r"\b(II?)\s+миров(ая|ой|ую)\b", lambda match: f"{_WAR[match[1].upper()]}{match[2]} миров{match[2]}"),
    _rule(r"\b(д\.|дом)\s*(\d+)/(\d+)", r"\1 \2 дробь \3"),
]


def rewrite(text: str) -> str:
    """Apply all rules, in order."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
