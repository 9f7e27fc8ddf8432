from pathlib import Path

import pytest

from stt.errors import InputError
from stt.text.tokenizer import Tokenizer, train_tokenizer

TEXTS = ["мама мыла раму", "рама мыла маму", "папа и мама", "у папы рама"] * 5


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 24)


def test_decoding_gives_back_what_was_encoded(tokenizer: Tokenizer) -> None:
    for text in TEXTS:
        tokens = tokenizer.encode(text)
        assert tokenizer.decode(tokens) == text
        assert tokenizer.blank_id not in tokens


def test_a_character_outside_the_alphabet_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="'ж'"):
        tokenizer.encode("мама и жук")


def test_the_string_holds_the_whole_tokenizer(tokenizer: Tokenizer) -> None:
    copy = Tokenizer.load(tokenizer.to_string())
    assert copy.content_hash == tokenizer.content_hash
    assert copy.encode("мама мыла раму") == tokenizer.encode("мама мыла раму")


def test_the_same_size_is_not_the_same_tokenizer(tokenizer: Tokenizer) -> None:
    other = train_tokenizer([text.replace("м", "л") for text in TEXTS], tokenizer.vocab_size)
    assert other.content_hash != tokenizer.content_hash


def test_few_texts_give_as_many_pieces_as_they_hold() -> None:
    assert 3 < train_tokenizer(["да", "нет"], 500).vocab_size < 20


def test_fewer_pieces_than_characters_are_refused() -> None:
    with pytest.raises(InputError, match="fewer"):
        train_tokenizer(["съешь еще этих мягких французских булок"], 10)


def test_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="no text"):
        train_tokenizer(["", ""], 10)


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.model").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"x\.model"):
        Tokenizer.load(tmp_path / "x.model")
    with pytest.raises(InputError, match="no tokenizer here"):
        Tokenizer.load(tmp_path / "y.model")
