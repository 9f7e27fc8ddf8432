"""The text that is to be found in a recording: sentences, words in their original wording, and tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from stt.errors import InputError
from stt.text.normalize import Normalizer
from stt.text.tokenizer import WORD_START, Tokenizer

MOST_UNKNOWN = 0.5  # of the words; more, and the text is not in the language of the checkpoint
SHOWN = 10
_SENTENCE_END = re.compile(r"[.!?…]+[\"'»”’)\]]*$")


@dataclass(frozen=True)
class ScriptWord:
    """A word as it is written, and as the network knows it."""

    original: str  # with punctuation
    text: str  # normalized; several words where a number is spelled out
    tokens: tuple[int, ...]  # none: it cannot be spelled with the checkpoint's alphabet


@dataclass(frozen=True)
class Script:
    """Words, and where sentences begin: at the beginning of a line, and after a word with a full stop or the like."""

    words: list[ScriptWord]
    sentences: list[int]  # index of the first word of each sentence
    unknown: Counter[str]  # what cannot be spelled or read word by word: characters, or what the normalizer says

    @cached_property
    def bounds(self) -> npt.NDArray[np.int64]:
        """Index of the first token of each word, and the number of tokens (word + 1,)."""
        return np.cumsum([0, *(len(word.tokens) for word in self.words)])

    @cached_property
    def tokens(self) -> npt.NDArray[np.int64]:
        """The tokens of all words (token,)."""
        return np.array([token for word in self.words for token in word.tokens], np.int64)

    def text(self, first: int, end: int) -> str:
        """Return the normalized text of words `first` to `end`, without `end`."""
        return " ".join(word.text for word in self.words[first:end])

    def original(self, first: int, end: int) -> str:
        """Return the original wording of words `first` to `end`, without `end`."""
        return " ".join(word.original for word in self.words[first:end])


def read_script(lines: Iterable[str], normalizer: Normalizer, tokenizer: Tokenizer, name: str) -> Script:
    """Normalize and tokenize lines of text word by word; what is punctuation alone stays with the word before it.

    Args:
        lines: the text; its line ends are taken for sentence ends.
        normalizer: the checkpoint's normalizer.
        tokenizer: the checkpoint's tokenizer.
        name: of the text, for messages.

    Raises:
        InputError: there are no words, or most of them cannot be spelled with the checkpoint's alphabet.
    """
    words: list[ScriptWord] = []
    sentences: list[int] = []
    unknown: Counter[str] = Counter()
    for line in lines:
        begins, first = True, len(words)
        for original in line.split():
            normalized = normalizer(original)
            if not normalized.text and not normalized.rejected:  # a dash, or a mark on its own
                if words and not begins:
                    words[-1] = ScriptWord(f"{words[-1].original} {original}", words[-1].text, words[-1].tokens)
                continue
            strange = sorted(set(normalized.text) - tokenizer.alphabet)
            unknown.update([*strange, *normalized.rejected])
            spelled = not strange and not normalized.rejected
            if begins:
                sentences.append(len(words))
            tokens = tuple(tokenizer.encode(normalized.text)) if spelled else ()
            words.append(ScriptWord(original, normalized.text, tokens))
            begins = bool(_SENTENCE_END.search(original))
        if normalizer(line).text != " ".join(word.text for word in words[first:]):
            unknown["lines with numbers or abbreviations that depend on other words"] += 1
    if not words:
        raise InputError(f"{name}: the text has no words")
    silent = sum(not word.tokens for word in words)
    if silent > MOST_UNKNOWN * len(words):
        kinds = ", ".join(kind for kind, _ in unknown.most_common(SHOWN))
        raise InputError(
            f"{name}: {silent} of {len(words)} words cannot be spelled with the checkpoint's alphabet: {kinds}"
        )
    return Script(words, sentences, unknown)


def spelling(tokens: Iterable[int], tokenizer: Tokenizer) -> tuple[str, npt.NDArray[np.int64]]:
    """Return the letters of tokens, with a space before each word, and the index of each letter's token (letter,)."""
    pieces = [tokenizer.pieces[token].replace(WORD_START, " ") for token in tokens]
    return "".join(pieces), np.repeat(np.arange(len(pieces)), list(map(len, pieces)))
