"""Pieces of a recording: sentences where they have the wanted length, else cut at pauses or joined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stt.curation.align.words import Alignment

UNWRITTEN_FRAMES = 2  # of speech that is not in the text, between words that are not joined
APART_SECONDS = 0.5  # between the tokens of a piece and speech that is not in the text; else it goes on in the piece
JOINED_SECONDS = 1.5  # of a pause at most within a piece that is joined of sentences


@dataclass(frozen=True)
class Lengths:
    """Wanted duration of a piece, seconds."""

    least: float = 1.0
    most: float = 20.0


@dataclass(frozen=True)
class Piece:
    """Words from `first` to `end`, without `end`."""

    first: int
    end: int


def cut_pieces(alignment: Alignment, lengths: Lengths) -> list[Piece]:
    """Cut the words of an alignment into pieces; every word is in one.

    A sentence that is too long is cut at the longest pauses between its words, and where words are not found. One that
    is too short is joined with what follows, if no more than a pause is between them, else with what precedes.
    """
    starts = [*alignment.script.sentences, len(alignment.script.words)]
    cut = [part for first, end in pairwise(starts) for part in _cut(alignment, Piece(first, end), lengths)]
    return _joined(_joined(cut, alignment, lengths, forwards=True), alignment, lengths, forwards=False)


def seconds(alignment: Alignment, piece: Piece) -> float:
    """Return the duration from the first to the last word of a piece that is found; 0 if none is."""
    found = np.flatnonzero(alignment.found[piece.first : piece.end]) + piece.first
    if not len(found):
        return 0.0
    frames = alignment.last[found[-1]] + 1 - alignment.first[found[0]]
    return float(frames * alignment.outputs.frame_seconds)


def among_unwritten(alignment: Alignment, piece: Piece) -> bool:
    """Tell whether there is speech that is not in the text right beside a piece, all of which is found, or in it."""
    begin, end = alignment.first[piece.first], alignment.last[piece.end - 1]
    apart = round(APART_SECONDS / alignment.outputs.frame_seconds)
    if alignment.unwritten[max(0, begin - apart) : begin].any() or alignment.unwritten[end : end + 1 + apart].any():
        return True
    first, last = alignment.first[piece.first : piece.end], alignment.last[piece.first : piece.end]
    total = np.append(0, np.cumsum(alignment.unwritten[first[0] : last[-1] + 1]))
    passed = total[first[1:] - first[0]] - total[last[:-1] - first[0]]
    return bool((passed >= UNWRITTEN_FRAMES).any())


def _cut(alignment: Alignment, whole: Piece, lengths: Lengths) -> Iterator[Piece]:
    waiting = [whole]
    while waiting:
        piece = waiting.pop()
        if seconds(alignment, piece) <= lengths.most or piece.end - piece.first == 1:
            yield piece
        else:
            middle = _best_cut(alignment, piece, lengths)
            waiting += [Piece(middle, piece.end), Piece(piece.first, middle)]


def _best_cut(alignment: Alignment, piece: Piece, lengths: Lengths) -> int:
    """Return the word before which a piece is cut: the longest pause that leaves enough on both sides."""
    first, last = (one[piece.first : piece.end] for one in (alignment.first, alignment.last))
    found = first >= 0
    changes = np.flatnonzero(found[1:] != found[:-1])
    if len(changes):
        return piece.first + int(changes[0]) + 1
    pauses = (first[1:] - last[:-1]).astype(np.float64)
    frames = alignment.outputs.frame_seconds
    enough = ((last[:-1] + 1 - first[0]) * frames >= lengths.least) & (
        (last[-1] + 1 - first[1:]) * frames >= lengths.least
    )
    if enough.any():
        pauses[~enough] = -np.inf
    balance = np.minimum(np.arange(len(pauses)), np.arange(len(pauses))[::-1])  # of equal pauses, the one in the middle
    return piece.first + 1 + int(np.lexsort((balance, pauses))[-1])


def _joined(pieces: list[Piece], alignment: Alignment, lengths: Lengths, forwards: bool) -> list[Piece]:
    """Join pieces that are too short with what follows, or with what precedes."""
    joined: list[Piece] = []
    for piece in pieces:
        short = joined and seconds(alignment, joined[-1] if forwards else piece) < lengths.least
        if short and _joins(alignment, joined[-1], piece, lengths):
            joined[-1] = Piece(joined[-1].first, piece.end)
        else:
            joined.append(piece)
    return joined


def _joins(alignment: Alignment, one: Piece, other: Piece, lengths: Lengths) -> bool:
    """Tell whether two pieces may be one: all of their words are found, and no more than a pause is between them."""
    if not alignment.found[one.first : other.end].all():
        return False
    last, first = alignment.last[one.end - 1], alignment.first[other.first]
    frame_seconds = alignment.outputs.frame_seconds
    return bool(
        (first - last) * frame_seconds <= JOINED_SECONDS
        and alignment.unwritten[last:first].sum() < UNWRITTEN_FRAMES
        and (alignment.last[other.end - 1] + 1 - alignment.first[one.first]) * frame_seconds <= lengths.most
    )
