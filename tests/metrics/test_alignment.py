import random

import jiwer
import pytest
from rapidfuzz.distance import Levenshtein

from stt.metrics.alignment import align, align_words, alignment_html, alignment_text
from stt.metrics.confusions import count_confusions


@pytest.mark.parametrize("seed", range(20))
def test_an_alignment_covers_both_texts_with_the_fewest_edits(seed: int) -> None:
    draw = random.Random(seed)
    reference, hypothesis = ("".join(draw.choices("ab c", k=draw.randrange(12))) for _ in range(2))
    for segments, sides, join in (
        (align(reference, hypothesis), (reference, hypothesis), ""),
        (align_words(reference, hypothesis), (reference.split(), hypothesis.split()), " "),
    ):
        left = join.join(part for _, part, _ in segments if part)
        right = join.join(part for _, _, part in segments if part)
        assert (left, right) == tuple(join.join(side) for side in sides)
        edits = sum(max(len(a), len(b)) if not join else 1 for kind, a, b in segments if kind != "equal")
        assert edits == Levenshtein.distance(*sides)


@pytest.mark.parametrize("hypothesis", ["a bb c d", "", "bb a c", "a b e c d f", "x y"])
def test_plain_text_alignments_match_jiwer(hypothesis: str) -> None:
    alignment = jiwer.process_words("a bb c d", hypothesis)
    _, expected = jiwer.visualize_alignment(alignment, show_measures=False, skip_correct=False).split("\n\n", 1)
    assert alignment_text("a bb c d", hypothesis) == expected


def test_html_marks_deletions_and_insertions_and_escapes_the_text() -> None:
    markup = alignment_html("a <b> c", "a <d>c")
    assert "&lt;" in markup
    assert "<b>" not in markup
    assert ">b</del>" in markup
    assert ">d</ins>" in markup
    assert ">␣</del>" in markup
    assert alignment_html("same", "same") == "same"


def test_confusions_count_each_edit_once() -> None:
    pairs = [("the cat sat", "the hat sat down"), ("sea", "see"), ("", "uh")]
    counts = count_confusions(pairs)
    assert counts.words == {("cat", "hat"): 1, ("", "down"): 1, ("sea", "see"): 1, ("", "uh"): 1}
    assert counts.characters["c", "h"] == 1
    assert counts.characters["a", "e"] == 1
    assert counts.word_counts["sat"] == 1
    assert counts.character_counts["a"] == 3
    assert sum(counts.characters.values()) == sum(Levenshtein.distance(*pair) for pair in pairs)
