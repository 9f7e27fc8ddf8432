import pytest

from stt.curation.align.script import Script, read_script, spelling
from stt.errors import InputError
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer, train_character_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_character_tokenizer(["the quick brown fox jumps over lazy dogs don't", "сто два"])


def read(tokenizer: Tokenizer, *lines: str, normalizer: str = "plain-1") -> Script:
    return read_script(lines, get_normalizer(normalizer), tokenizer, "a.txt")


def test_words_keep_their_wording_and_sentences_begin_after_full_stops_and_at_lines(tokenizer: Tokenizer) -> None:
    script = read(tokenizer, "«The fox» — jumps! Over", "", "dogs. Don't…")
    assert [word.original for word in script.words] == ["«The", "fox» —", "jumps!", "Over", "dogs.", "Don't…"]
    assert script.text(0, 6) == "the fox jumps over dogs don't"
    assert script.original(0, 3) == "«The fox» — jumps!"
    assert script.sentences == [0, 3, 4, 5]
    assert spelling(script.tokens, tokenizer)[0] == " the fox jumps over dogs don't"
    assert len(script.tokens) == script.bounds[-1]


def test_a_number_is_one_word_of_several(tokenizer: Tokenizer) -> None:
    script = read(tokenizer, "102", normalizer="russian-1")
    assert (script.words[0].original, script.words[0].text) == ("102", "сто два")


def test_words_that_cannot_be_spelled_are_counted_and_have_no_tokens(tokenizer: Tokenizer) -> None:
    script = read(tokenizer, "the fox 100% ждет", "over dogs")
    assert [bool(word.tokens) for word in script.words] == [True, True, False, False, True, True]
    assert script.unknown["symbol %"] == 1
    assert script.unknown["ж"] == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [([], "a.txt: the text has no words"), (["—", "..."], "no words"), (["ждём", "fox", "жжж"], "2 of 3 words cannot")],
)
def test_a_text_that_cannot_be_aligned_is_an_error(tokenizer: Tokenizer, lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tokenizer, *lines)
