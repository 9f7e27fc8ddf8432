"""Minimum-edit alignments of reference and hypothesis: as segments, as plain text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple, cast

from rapidfuzz.distance import Levenshtein

Kind = Literal["equal", "replace", "insert", "delete"]
LETTERS: dict[Kind, str] = {"equal": "", "replace": "S", "insert": "I", "delete": "D"}
VISIBLE_SPACE = "␣"


class Segment(NamedTuple):
    """An aligned segment; the reference of an insertion and the hypothesis of a deletion are empty."""

    kind: Kind
    reference: str
    hypothesis: str


def align(reference: str, hypothesis: str) -> list[Segment]:
    """Align the characters of two texts; both sides of a replaced segment have the same length."""
    return [Segment(kind, reference[ref], hypothesis[hyp]) for kind, ref, hyp in _opcodes(reference, hypothesis)]


def align_words(reference: str, hypothesis: str) -> list[Segment]:
    """Align the words of two texts, one segment per word."""
    ref_words, hyp_words = reference.split(), hypothesis.split()
    return [
        Segment(kind, *pair)
        for kind, ref, hyp in _opcodes(ref_words, hyp_words)
        for pair in zip_longest(ref_words[ref], hyp_words[hyp], fillvalue="")
    ]


def alignment_text(reference: str, hypothesis: str) -> str:
    """Format the word alignment as jiwer does: lines of reference, hypothesis, and S, I or D under each error."""
    if not reference:
        return f"REF:\nHYP: {hypothesis}\n"
    lines = ["REF:", "HYP:", "    "]
    for kind, *words in align_words(reference, hypothesis):
        width = max(map(len, words))
        cells = [word or "*" * width for word in words] + [LETTERS[kind]]
        lines = [f"{line} {cell:>{width}}" for line, cell in zip(lines, cells, strict=True)]
    return "\n".join(lines) + "\n"


def alignment_html(reference: str, hypothesis: str) -> str:
    """Format the character alignment as HTML; see `deletion_html` and `insertion_html` for the colors."""
    parts = []
    for kind, deleted, inserted in align(reference, hypothesis):
        if kind == "equal":
            parts.append(html.escape(deleted))
        else:
            parts += [deletion_html(visible(deleted)), insertion_html(visible(inserted))]
    return "".join(parts)


def deletion_html(text: str) -> str:
    """Mark reference text that was not recognized: struck through in red."""
    return f'<del style="color:#c0392b;background:#fbe3e0">{html.escape(text)}</del>' if text else ""


def insertion_html(text: str) -> str:
    """Mark recognized text that is not in the reference: in green."""
    return f'<ins style="color:#1e7e34;background:#def3e3">{html.escape(text)}</ins>' if text else ""


def visible(text: str) -> str:
    """Make spaces visible."""
    return text.replace(" ", VISIBLE_SPACE)


def _opcodes(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[Kind, slice, slice]]:
    operations = Levenshtein.opcodes(reference, hypothesis)
    return [
        (cast(Kind, op.tag), slice(op.src_start, op.src_end), slice(op.dest_start, op.dest_end)) for op in operations
    ]
