"""Pieces and their edges, for alignments that are made up."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.curation.align.edges import PAD_SECONDS, Edges
from stt.curation.align.outputs import Outputs
from stt.curation.align.pieces import Lengths, Piece, among_unwritten, cut_pieces, seconds
from stt.curation.align.script import Script, ScriptWord
from stt.curation.align.words import Alignment

FRAME = 0.08


def alignment(
    lengths: list[int], pauses: list[int], missing: set[int], sentences: list[int], unwritten: tuple[int, ...] = ()
) -> Alignment:
    """Words of some frames, each after a pause of some frames; sound is loud in words, and quiet in pauses."""
    script = Script([ScriptWord("A.", "a", (1,))] * len(lengths), sentences, Counter())
    first, last, frame = [], [], 0
    spoken: list[bool] = []
    for i, (length, pause) in enumerate(zip(lengths, pauses, strict=True)):
        frame += pause
        spoken += [False] * pause + [i not in missing] * length
        first.append(-1 if i in missing else frame)
        last.append(-1 if i in missing else frame + length - 1)
        frame += length
    frames = frame + 5
    spoken += [False] * 5
    noise = np.random.default_rng(0).uniform(-1, 1, 8 * frames)
    levels = (np.repeat(np.where(spoken, -20, -60), 8) + noise).astype(np.float32)
    outputs = Outputs(np.zeros((frames, 2), np.float16), levels, FRAME, frames * FRAME, 0)
    passed = np.isin(np.arange(frames), unwritten)
    return Alignment(script, outputs, np.array(first), np.array(last), passed, np.zeros(frames, np.float32))


made_up = st.builds(
    lambda words, missing, starts: alignment(
        [length for length, _ in words],
        [pause for _, pause in words],
        {i for i in missing if i < len(words)},
        [0, *sorted(i for i in starts if i < len(words))],
    ),
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 30)), min_size=1, max_size=40),
    st.sets(st.integers(0, 39), max_size=5),
    st.sets(st.integers(1, 39)),
)


@settings(deadline=None)
@given(made_up, st.floats(0, 2), st.floats(2.5, 9))
def test_every_word_is_in_one_piece_and_no_piece_is_too_long(made: Alignment, least: float, most: float) -> None:
    pieces = cut_pieces(made, Lengths(least, most))
    assert [i for piece in pieces for i in range(piece.first, piece.end)] == list(range(len(made.script.words)))
    for piece in pieces:
        assert seconds(made, piece) <= most


@settings(deadline=None)
@given(made_up)
def test_edges_are_in_order_within_the_recording_and_contain_the_words(made: Alignment) -> None:
    edges = Edges(made)
    ends = 0.0
    for piece in cut_pieces(made, Lengths(0, 20)):
        if made.found[piece.first : piece.end].all():
            start, end = edges.of(piece)
            assert 0 <= start < end <= made.outputs.seconds
            assert start <= (made.first[piece.first] + 1) * FRAME
            assert end >= made.last[piece.end - 1] * FRAME
            assert start >= ends - 2 * FRAME
            ends = end


def test_an_edge_is_in_the_pause_just_beside_the_sound() -> None:
    made = alignment([4, 4, 4], [10, 10, 10], set(), [0, 1, 2])
    start, end = Edges(made).of(Piece(1, 2))
    assert start == pytest.approx(24 * FRAME - PAD_SECONDS, abs=0.025)
    assert end == pytest.approx(28 * FRAME + PAD_SECONDS, abs=0.025)


def test_a_long_sentence_is_cut_at_its_longest_pause() -> None:
    made = alignment([10, 10, 10, 10], [0, 2, 9, 2], set(), [0])
    assert cut_pieces(made, Lengths(1, 3)) == [Piece(0, 2), Piece(2, 4)]


def test_short_sentences_are_joined_unless_something_else_is_said_between_them() -> None:
    lengths, pauses = [5, 5, 5, 5], [0, 5, 5, 5]
    assert cut_pieces(alignment(lengths, pauses, set(), [0, 1, 2, 3]), Lengths(1, 20)) == [Piece(0, 2), Piece(2, 4)]
    assert cut_pieces(alignment(lengths[:3], pauses[:3], set(), [0, 1, 2]), Lengths(1, 20)) == [Piece(0, 3)]
    other = alignment(lengths, pauses, set(), [0, 1, 2, 3], unwritten=(6, 7, 8))
    assert cut_pieces(other, Lengths(1, 20))[0] == Piece(0, 1)


def test_speech_that_is_not_written_is_seen_in_a_piece_and_right_beside_it() -> None:
    lengths, pauses, sentences = [5, 5, 5], [20, 20, 20], [0, 1, 2]
    for frames, expected in (((18,), True), ((10,), False), ((26,), True), ((33, 34), False)):
        made = alignment(lengths, pauses, set(), sentences, unwritten=frames)
        assert among_unwritten(made, Piece(0, 1)) == expected
    assert among_unwritten(alignment(lengths, pauses, set(), [0], unwritten=(33, 34)), Piece(0, 2))
