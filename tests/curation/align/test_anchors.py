from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stt.curation.align.anchors import belong_together, letter_positions, plan_blocks

WORDS = "zero one two three four five six seven eight nine".split()


def digits(count: int, seed: int) -> list[str]:
    return np.random.default_rng(seed).choice(WORDS, count).tolist()


@given(st.text("ab ", max_size=30), st.text("ab ", max_size=30))
def test_positions_are_in_order_and_within_the_text(hypothesis: str, text: str) -> None:
    positions = letter_positions(hypothesis, text)
    assert len(positions) == len(hypothesis)
    assert (np.diff(positions) >= 0).all()
    assert ((positions >= 0) & (positions <= len(text))).all()


def test_a_repetitive_text_of_which_parts_are_missing_is_found_again() -> None:
    words = digits(2000, seed=0)
    said = " ".join(words[:500] + words[700:])
    text = " ".join(words)
    positions = letter_positions(said, text)
    gap = len(" ".join(words[:500])), len(text) - len(said)
    assert (positions[: gap[0] - 100] == np.arange(gap[0] - 100)).all()
    assert (positions[gap[0] + 100 :] == np.arange(gap[0] + 100, len(said)) + gap[1]).all()


def test_a_text_belongs_to_what_is_said_even_with_many_errors_and_another_does_not() -> None:
    words = digits(300, seed=0)
    rng = np.random.default_rng(1)
    wrong = [word if rng.random() < 0.6 else str(rng.choice(WORDS)) for word in words]
    assert belong_together(" ".join(wrong), " ".join(words))
    assert not belong_together(" ".join(digits(300, seed=2)), " ".join(words))
    assert belong_together("four", "five"), "too short to be told"


@given(
    frames=st.integers(1, 2000),
    letters=st.lists(st.tuples(st.integers(0, 1999), st.integers(0, 49)), max_size=40),
    margin=st.integers(0, 60),
)
def test_blocks_cover_the_recording_and_overlap_in_words(
    frames: int, letters: list[tuple[int, int]], margin: int
) -> None:
    letter_frames = np.array(sorted(frame for frame, _ in letters if frame < frames), np.int64)
    letter_words = np.array(sorted(word for _, word in letters)[: len(letter_frames)], np.int64)
    blocks = plan_blocks(frames, letter_frames, letter_words, 50, margin)
    assert (blocks[0].first, blocks[0].low, blocks[-1].end, blocks[-1].high) == (0, 0, frames, 50)
    for block, following in pairwise(blocks):
        assert block.end == following.first
        assert block.low <= following.low < block.high <= following.high
