"""SentencePiece BPE tokenizer whose whole model fits into a string, so that a checkpoint can carry it."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import sentencepiece

from stt.errors import InputError

_INLINE = "spm-base64:"
MOST_LETTERS = 10_000  # characters of an alphabet
WORD_START = "\u2581"  # SentencePiece's mark of a space before a piece


class Tokenizer:
    """BPE pieces with CTC's blank at index 0.

    SentencePiece keeps index 0 for the unknown piece. A text with unknown characters is refused
    here, so that piece never occurs in a target and its place is free for the blank.
    """

    blank_id = 0

    def __init__(self, model: bytes) -> None:
        """Load a serialized SentencePiece model.

        Raises:
            InputError: the bytes are not a SentencePiece model.
        """
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise InputError("the tokenizer is not a SentencePiece model") from error

    @classmethod
    def load(cls, source: str | Path) -> Tokenizer:
        """Load from a `.model` file, or from the string that `to_string` gave.

        Raises:
            InputError: the file is missing or is not a SentencePiece model.
        """
        if str(source).startswith(_INLINE):
            return cls.from_string(str(source))
        if not str(source):
            raise InputError("no tokenizer is given: name one with --model.tokenizer FILE")
        path = Path(source)
        if not path.is_file():
            raise InputError(f"{path}: no tokenizer here; make one with `stt tokenizer train`")
        try:
            return cls(path.read_bytes())
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def from_string(cls, text: str) -> Tokenizer:
        """Load from the string that `to_string` gave, and from nothing else.

        Raises:
            InputError: it is not such a string.
        """
        if not text.startswith(_INLINE):
            raise InputError("the tokenizer is not in the file")
        try:
            return cls(base64.b64decode(text[len(_INLINE) :], validate=True))
        except ValueError as error:  # an InputError is one, too
            raise InputError("the tokenizer is not a SentencePiece model") from error

    def to_string(self) -> str:
        """Give the whole model as one string that `load` understands."""
        return _INLINE + base64.b64encode(self.model).decode()

    @property
    def content_hash(self) -> str:
        """SHA-256 of the model: two tokenizers are the same if this is, whatever their files are called."""
        return hashlib.sha256(self.model).hexdigest()

    @property
    def vocab_size(self) -> int:
        """Number of classes of the CTC head, the blank included."""
        return int(self._processor.get_piece_size())

    @cached_property
    def pieces(self) -> list[str]:
        """Every piece by index; the blank is the empty string."""
        return ["", *(self._processor.id_to_piece(i) for i in range(1, self.vocab_size))]

    @cached_property
    def alphabet(self) -> frozenset[str]:
        """Characters that a text may consist of, the space included."""
        return frozenset("".join(self.pieces).replace(WORD_START, " ")) | {" "}

    def encode(self, text: str) -> list[int]:
        """Turn a normalized text into piece indices.

        Raises:
            InputError: the text holds characters outside the tokenizer's alphabet.
        """
        unknown = sorted(set(text) - self.alphabet)
        if unknown:
            raise InputError(f"characters outside the tokenizer: {' '.join(map(repr, unknown))}")
        return list(self._processor.encode(text))

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn many texts into piece indices, without looking for characters outside the alphabet."""
        encoded: list[list[int]] = self._processor.encode(list(texts))
        return encoded

    def decode(self, tokens: Sequence[int]) -> str:
        """Turn piece indices (without blanks) into text."""
        pieces = self.pieces
        return "".join(pieces[token] for token in tokens).replace(WORD_START, " ").strip()


def train_tokenizer(texts: Iterable[str], num_pieces: int) -> Tokenizer:
    """Train a BPE tokenizer on normalized texts.

    Few texts do not hold many pieces: where `num_pieces` is out of reach, as many as there are are
    made, and the caller sees it in `vocab_size`.

    Raises:
        InputError: there is no text, or `num_pieces` is smaller than the alphabet.
    """
    lines = _lines(texts)
    try:
        return _train(lines, num_pieces)
    except RuntimeError as error:
        too_many = re.search(r"set it to a value <= (\d+)", str(error))
        if too_many:
            return _train(lines, int(too_many.group(1)))
        too_few = re.search(r"[Vv]ocabulary size is smaller than required_chars\D*\d+\D+(\d+)", str(error))
        if too_few:
            raise InputError(
                f"{num_pieces} pieces are fewer than the characters of the texts need: ask for more than "
                f"{too_few.group(1)}"
            ) from error
        raise


def train_letters(texts: Iterable[str]) -> Tokenizer:
    """Make a tokenizer whose tokens are the letters of normalized texts.

    Raises:
        InputError: there is no text.
    """
    return _train(_lines(texts), MOST_LETTERS, model_type="char", hard_vocab_limit=False)


def _lines(texts: Iterable[str]) -> list[str]:
    lines = [text for text in texts if text]
    if not lines:
        raise InputError("there is no text to train a tokenizer on")
    return lines


def _train(lines: Sequence[str], num_pieces: int, **options: Any) -> Tokenizer:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=num_pieces,
        character_coverage=1.0,
        normalization_rule_name="identity",  # the project's own normalizer has done it
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        minloglevel=2,
        input_sentence_size=2_000_000,  # bounds memory; a sample is enough for 1,000 pieces
        shuffle_input_sentence=True,
        num_threads=2,
        **{"model_type": "bpe", **options},
    )
    return Tokenizer(model.getvalue())
