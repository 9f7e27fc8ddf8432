"""SentencePiece BPE tokenizer that can be serialized to a string, so that checkpoints can include it."""

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

from stt.errors import InputError, reason

_INLINE = "spm-base64:"
MAX_PIECES = 1_000_000  # SentencePiece counts in 32 bits; no network has that many outputs
MAX_CHARACTERS = 10_000  # in the alphabet of a character tokenizer
MAX_TEXTS = 2_000_000  # limits memory; a sample is enough for 1,000 pieces
OUTSIDE_ALPHABET = "characters outside the tokenizer's alphabet"
WORD_START = "\u2581"  # SentencePiece's marker of a space before a piece


class Tokenizer:
    """BPE pieces with CTC's blank at index 0.

    SentencePiece reserves index 0 for the unknown piece. Texts with unknown characters are rejected
    here, so that piece never occurs in a target and its index is free for the blank.
    """

    blank_id = 0

    def __init__(self, model: bytes) -> None:
        """Load a serialized SentencePiece model; `pieces` is every piece by index, and the blank the empty string.

        Raises:
            InputError: the bytes are not a SentencePiece model, or its unknown piece is not at index 0.
        """
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            unknown_id = self._processor.unk_id()  # fails if the model is empty
            self.pieces = ["", *(self._processor.id_to_piece(i) for i in range(1, self.vocab_size))]
        except (RuntimeError, UnicodeDecodeError) as error:
            raise InputError("the tokenizer is not a SentencePiece model") from error
        if unknown_id != self.blank_id:
            raise InputError(f"the tokenizer's unknown piece must have index {self.blank_id}, not {unknown_id}")

    @classmethod
    def load(cls, source: str | Path) -> Tokenizer:
        """Load from a `.model` file, or from the output of `to_string`.

        Raises:
            InputError: the file is missing or is not a SentencePiece model.
        """
        if str(source).startswith(_INLINE):
            return cls.from_string(str(source))
        if not str(source):
            raise InputError("no tokenizer given: specify one with --model.tokenizer FILE")
        path = Path(source)
        if not path.is_file():
            raise InputError(f"{path}: tokenizer not found; train one with `stt tokenizer train`")
        try:
            return cls(path.read_bytes())
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @classmethod
    def from_string(cls, text: str) -> Tokenizer:
        """Load from the output of `to_string` only, never from a file.

        Raises:
            InputError: the string is not a serialized tokenizer.
        """
        if not text.startswith(_INLINE):
            raise InputError("the tokenizer is not included in the file")
        try:
            return cls(base64.b64decode(text[len(_INLINE) :], validate=True))
        except ValueError as error:  # includes InputError
            raise InputError("the tokenizer is not a SentencePiece model") from error

    def to_string(self) -> str:
        """Serialize the model to a string that `load` accepts."""
        return _INLINE + base64.b64encode(self.model).decode()

    @property
    def content_hash(self) -> str:
        """SHA-256 of the model, which identifies a tokenizer independently of its file name."""
        return hashlib.sha256(self.model).hexdigest()

    @property
    def vocab_size(self) -> int:
        """Number of classes of the CTC head, including the blank."""
        return int(self._processor.get_piece_size())

    @cached_property
    def alphabet(self) -> frozenset[str]:
        """Characters allowed in a text, including the space."""
        return frozenset("".join(self.pieces).replace(WORD_START, " ")) | {" "}

    def encode(self, text: str) -> list[int]:
        """Turn a normalized text into piece indices.

        Raises:
            InputError: the text contains characters outside the tokenizer's alphabet.
        """
        unknown = sorted(set(text) - self.alphabet)
        if unknown:
            raise InputError(f"{OUTSIDE_ALPHABET}: {' '.join(map(repr, unknown))}")
        return list(self._processor.encode(text))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn many texts into piece indices, without checking for characters outside the alphabet."""
        encoded: list[list[int]] = self._processor.encode(list(texts))
        return encoded

    def decode(self, tokens: Sequence[int]) -> str:
        """Turn piece indices (without blanks) into text, with one space between words, as in normalized texts."""
        pieces = self.pieces
        text = "".join(pieces[token] for token in tokens).replace(WORD_START, " ")
        return " ".join(text.split())  # a network may write a lone marker before a piece that starts a word


def train_tokenizer(texts: Iterable[str], num_pieces: int) -> Tokenizer:
    """Train a BPE tokenizer on normalized texts.

    If the texts are too few for `num_pieces`, the tokenizer has as many pieces as possible,
    which the caller can see in `vocab_size`.

    Raises:
        InputError: there are no texts, `num_pieces` is out of range or too small for the alphabet, or SentencePiece
            fails for another reason.
    """
    if not 2 <= num_pieces <= MAX_PIECES:
        raise InputError(f"the number of pieces must be in 2..{MAX_PIECES}, not {num_pieces}")
    lines = _lines(texts)
    try:
        return _train(lines, num_pieces)
    except InputError as error:
        too_many = re.search(r"set it to a value <= (\d+)", str(error))
        if too_many:
            return _train(lines, int(too_many.group(1)))
        too_few = re.search(r"[Vv]ocabulary size is smaller than required_chars\D*\d+\D+(\d+)", str(error))
        if too_few:
            raise InputError(
                f"{num_pieces} pieces are fewer than the characters in the texts: use more than {too_few.group(1)}"
            ) from error
        raise


def train_character_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Train a tokenizer whose tokens are the characters of normalized texts.

    Raises:
        InputError: there are no texts, or SentencePiece fails.
    """
    return _train(_lines(texts), MAX_CHARACTERS, model_type="char", hard_vocab_limit=False)


def _lines(texts: Iterable[str]) -> list[str]:
    lines = [text for text in texts if text]
    if not lines:
        raise InputError("no text to train a tokenizer on")
    return lines


def _train(lines: Sequence[str], num_pieces: int, **options: Any) -> Tokenizer:
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=num_pieces,
            character_coverage=1.0,
            normalization_rule_name="identity",  # the texts are already normalized
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            minloglevel=2,
            input_sentence_size=MAX_TEXTS,
            max_sentence_length=2**30,  # bytes, the most that it takes; by default it drops texts of more than 4192
            shuffle_input_sentence=True,
            num_threads=2,
            **{"model_type": "bpe", **options},
        )
    except RuntimeError as error:
        raise InputError(f"SentencePiece cannot train a tokenizer on the texts ({reason(error, 500)})") from error
    return Tokenizer(model.getvalue())
