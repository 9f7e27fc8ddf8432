"""Texts as sentences that can be spoken and transcribed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stt.corpus.ingest import text_error
from stt.corpus.report import Report
from stt.corpus.synthesis.plan import Sentence
from stt.corpus.texts import read_texts
from stt.errors import InputError
from stt.text.normalize import Normalizer

MAX_CHARACTERS = 500  # half a minute of speech; what is longer is a paragraph
_DIGIT = re.compile(r"\d")


def read_sentences(paths: Sequence[Path], normalizer: Normalizer, skipped: Report) -> list[Sentence]:
    """Read the texts that can be spoken; the others are added to the report.

    Raises:
        InputError: a file cannot be read, or no text can be spoken.
    """
    sentences = []
    for where, text in read_texts(paths):
        normalized = normalizer(text)
        error = text_error(normalized.text, normalized.rejected)
        if len(normalized.text) > MAX_CHARACTERS:
            error = "long text", f"the text has {len(normalized.text):,} characters, more than {MAX_CHARACTERS}"
        if error:
            skipped.bad[error[0]].append((where, error[1]))
        else:
            sentences.append(Sentence(where, _spoken(text, normalized.text), normalized.text))
    if not sentences:
        names = ", ".join(map(str, paths))
        raise InputError("\n  ".join([f"{names}: no text can be spoken", *skipped.lines()]))
    return sentences


def _spoken(text: str, normalized: str) -> str:
    """Return what to speak: the text, because punctuation is heard, unless it might be spoken as it is not transcribed.

    The normalizer chooses how numbers are spelled out; words in capitals might be taken for abbreviations.
    """
    return normalized if text.isupper() or _DIGIT.search(text) else text
