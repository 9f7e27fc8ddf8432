import random

import pytest
from rapidfuzz.distance import Levenshtein

from stt.metrics.alignment import align, align_words, alignment_html
from stt.metrics.confusions import confusions


@pytest.mark.parametrize("seed", range(20))
def test_an_alignment_holds_both_texts_and_as_many_edits_as_their_distance(seed: int) -> None:
    draw = random.Random(seed)
    reference, hypothesis = ("".join(draw.choices("ab c", k=draw.randrange(12))) for _ in range(2))
    for segments, sides, join in (
        (align(reference, hypothesis), (reference, hypothesis), ""),
        (align_words(reference, hypothesis), (reference.split(), hypothesis.split()), " "),
    ):
        ours = join.join(part for _, part, _ in segments if part)
        theirs = join.join(part for _, _, part in segments if part)
        assert (ours, theirs) == tuple(join.join(side) for side in sides)
        edits = sum(max(len(a), len(b)) if not join else 1 for kind, a, b in segments if kind != "equal")
        assert edits == Levenshtein.distance(*sides)


def test_markup_shows_what_is_missing_and_what_is_wrong_and_nothing_of_the_text_becomes_markup() -> None:
    shown = alignment_html("a <b> c", "a <d>c")
    assert "&lt;" in shown
    assert "<b>" not in shown
    assert ">b</del>" in shown
    assert ">d</ins>" in shown
    assert ">␣</del>" in shown
    assert alignment_html("same", "same") == "same"


def test_confusions_count_every_edit_once() -> None:
    pairs = [("the cat sat", "the hat sat down"), ("sea", "see"), ("", "uh")]
    found = confusions(pairs)
    assert found.words == {("cat", "hat"): 1, ("", "down"): 1, ("sea", "see"): 1, ("", "uh"): 1}
    assert found.characters["c", "h"] == 1
    assert found.characters["a", "e"] == 1
    assert found.word_counts["sat"] == 1
    assert found.character_counts["a"] == 3
    assert sum(found.characters.values()) == sum(Levenshtein.distance(*pair) for pair in pairs)
