import pytest

from stt.errors import InputError
from stt.text.normalize import NORMALIZERS, get_normalizer, plain, russian

RUSSIAN = [
    ("Привет, мир!", "привет мир"),
    ("Ёлка и ёж", "елка и еж"),
    ("ЙОД и\u0306", "йод й"),  # и with a combining breve is й
    ("за\u0301мок", "замок"),  # stress mark
    ("вoдa", "вода"),  # Latin o and a
    ("Mосква", "москва"),
    ("дом 15", "дом пятнадцать"),
    ("агент 007", "агент ноль ноль семь"),
    ("0", "ноль"),
    ("1999", "одна тысяча девятьсот девяносто девять"),
    ("кто-то где-нибудь", "кто то где нибудь"),
    ("«Да», — сказал он…", "да сказал он"),
    ("  много\tпробелов\n", "много пробелов"),
    ("об'ект", "обект"),
    ("", ""),
    ("...", ""),
]
PLAIN = [
    ("Don't STOP", "don't stop"),
    ("'quoted'", "quoted"),
    ("naïve café", "naïve café"),
    ("cafe\u0301", "café"),
    ("Γειά σου, Κόσμε!", "γειά σου κόσμε"),
    ("नमस्ते दुनिया", "नमस्ते दुनिया"),
    ("你好，世界", "你好 世界"),
    ("room 101", "room 101"),
]


@pytest.mark.parametrize(("raw", "expected"), RUSSIAN)
def test_russian_table(raw: str, expected: str) -> None:
    assert russian(raw).text == expected
    assert not russian(raw).rejected


@pytest.mark.parametrize(("raw", "expected"), PLAIN)
def test_plain_table(raw: str, expected: str) -> None:
    assert plain(raw).text == expected


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("слушай radio", "foreign letters"),
        ("c", "foreign letters"),  # one Latin letter alone may be a word of either alphabet
        ("сто %", "symbol %"),
        ("№ 5", "symbol №"),
        ("1234567890123456", "long number"),
        ("дім їжак", "foreign letters"),
    ],
)
def test_text_with_unknown_pronunciation_is_rejected(raw: str, kind: str) -> None:
    assert kind in russian(raw).rejected


def test_changes_are_counted_by_kind() -> None:
    changed = russian("Ёж, ёлка: дом 5; вoда!").changed
    assert changed == {"ё to е": 2, "number spelled out": 1, "Latin look-alike": 1, "punctuation": 4}
    assert plain("a1, b22").changed == {"digit kept": 3, "punctuation": 1}


@pytest.mark.parametrize("name", NORMALIZERS)
def test_normalizing_twice_changes_nothing(name: str) -> None:
    normalize = get_normalizer(name)
    for raw, _ in RUSSIAN + PLAIN:
        once = normalize(raw).text
        twice = normalize(once)
        assert twice.text == once
        assert not set(twice.changed) - {"digit kept"}


def test_the_error_for_an_unknown_normalizer_lists_the_available_ones() -> None:
    with pytest.raises(InputError, match=r"klingon.*russian-1"):
        get_normalizer("klingon")


@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize("invisible", ["\u200b", "\ufeff", "\u00ad", "\u2060", "\u200e", "\ufe0f"])
def test_invisible_characters_are_removed_and_counted(name: str, invisible: str) -> None:
    result = get_normalizer(name)(f"{invisible}при{invisible}вет мир {invisible}")
    assert result.text == "привет мир"
    assert result.changed["invisible character removed"] == 3
    assert not result.rejected


@pytest.mark.parametrize(
    "raw", ["می\u200cخواهم", "ශ්\u200dරී", "ភាសា\u200bខ្មែរ", *(raw for raw, _ in [*RUSSIAN, *PLAIN])]
)
def test_whatever_is_spelling_is_normalized_as_before(raw: str) -> None:
    for name, function in (("plain-1", plain), ("russian-1", russian)):
        assert get_normalizer(name)(raw) == function(raw)
