from pathlib import Path

import pytest

from stt.errors import InputError
from stt.text.tokenizer import WORD_START, Tokenizer, train_character_tokenizer, train_tokenizer

TEXTS = ["мама мыла раму", "рама мыла маму", "папа и мама", "у папы рама"] * 5


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 24)


def test_decoding_inverts_encoding(tokenizer: Tokenizer) -> None:
    for text in TEXTS:
        tokens = tokenizer.encode(text)
        assert tokenizer.decode(tokens) == text
        assert tokenizer.blank_id not in tokens


def test_a_lone_word_start_before_a_word_adds_no_space(tokenizer: Tokenizer) -> None:
    lone = tokenizer.pieces.index(WORD_START)
    mama = tokenizer.encode("мама")
    assert tokenizer.pieces[mama[0]].startswith(WORD_START)
    assert tokenizer.decode([lone, *mama, lone, *mama, lone]) == "мама мама"


def test_a_character_outside_the_alphabet_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="'ж'"):
        tokenizer.encode("мама и жук")


def test_a_tokenizer_survives_serialization_to_a_string(tokenizer: Tokenizer) -> None:
    copy = Tokenizer.load(tokenizer.to_string())
    assert copy.content_hash == tokenizer.content_hash
    assert copy.encode("мама мыла раму") == tokenizer.encode("мама мыла раму")


def test_tokenizers_of_equal_size_can_have_different_hashes(tokenizer: Tokenizer) -> None:
    other = train_tokenizer([text.replace("м", "л") for text in TEXTS], tokenizer.vocab_size)
    assert other.content_hash != tokenizer.content_hash


def test_a_small_corpus_yields_as_many_pieces_as_possible() -> None:
    assert 3 < train_tokenizer(["да", "нет"], 500).vocab_size < 20


def test_fewer_pieces_than_characters_are_rejected() -> None:
    with pytest.raises(InputError, match="fewer"):
        train_tokenizer(["съешь еще этих мягких французских булок"], 10)


def test_training_without_text_is_rejected() -> None:
    with pytest.raises(InputError, match="no text"):
        train_tokenizer(["", ""], 10)


def test_long_texts_are_learned() -> None:
    tokenizer = train_tokenizer(["ж " * 5000, *TEXTS], 24)
    assert "ж" in tokenizer.alphabet
    assert train_character_tokenizer(["ж " * 5000]).alphabet == {"ж", " "}


def test_what_sentencepiece_cannot_learn_is_no_traceback() -> None:
    with pytest.raises(InputError, match="cannot train"):
        train_character_tokenizer(["\u2585"])


def test_a_file_that_is_not_a_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.model").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"x\.model"):
        Tokenizer.load(tmp_path / "x.model")
    with pytest.raises(InputError, match="tokenizer not found"):
        Tokenizer.load(tmp_path / "y.model")


def test_a_damaged_piece_is_reported_when_the_tokenizer_is_loaded(tokenizer: Tokenizer, tmp_path: Path) -> None:
    piece = next(piece for piece in tokenizer.pieces if "м" in piece and len(piece) > 1)
    damaged = tokenizer.model.replace(piece.encode(), b"\xd0" * len(piece.encode()), 1)
    assert damaged != tokenizer.model
    (tmp_path / "damaged.model").write_bytes(damaged)
    with pytest.raises(InputError, match="not a SentencePiece model"):
        Tokenizer.load(tmp_path / "damaged.model")
