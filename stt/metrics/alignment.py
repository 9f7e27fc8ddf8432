"""Reference and hypothesis laid beside each other, with the fewest edits."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple, cast

from rapidfuzz.distance import Levenshtein

Kind = Literal["equal", "replace", "insert", "delete"]


class Segment(NamedTuple):
    """A stretch that is equal, replaced, inserted (nothing in the reference) or deleted (nothing in the hypothesis)."""

    kind: Kind
    reference: str
    hypothesis: str


def align(reference: str, hypothesis: str) -> list[Segment]:
    """Align the characters of two texts."""
    return [Segment(kind, reference[ours], hypothesis[theirs]) for kind, ours, theirs in _blocks(reference, hypothesis)]


def align_words(reference: str, hypothesis: str) -> list[Segment]:
    """Align the words of two texts, a segment for each word."""
    ours, theirs = reference.split(), hypothesis.split()
    return [
        Segment(kind, *pair)
        for kind, here, there in _blocks(ours, theirs)
        for pair in zip_longest(ours[here], theirs[there], fillvalue="")
    ]


def alignment_html(reference: str, hypothesis: str) -> str:
    """Give HTML of the alignment: missing characters struck through in red, wrong or added ones in green."""
    parts = []
    for kind, missing, added in align(reference, hypothesis):
        if kind == "equal":
            parts.append(html.escape(missing))
        else:
            parts.append(_marked("del", "#c0392b", "#fbe3e0", missing) + _marked("ins", "#1e7e34", "#def3e3", added))
    return "".join(parts)


def _blocks(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[Kind, slice, slice]]:
    """Blocks of one kind; what is replaced has the same length on both sides."""
    found = Levenshtein.opcodes(reference, hypothesis)
    return [(cast(Kind, op.tag), slice(op.src_start, op.src_end), slice(op.dest_start, op.dest_end)) for op in found]


def _marked(tag: str, colour: str, background: str, text: str) -> str:
    if not text:
        return ""
    shown = html.escape(text).replace(" ", "␣")
    return f'<{tag} style="color:{colour};background:{background}">{shown}</{tag}>'
