import numpy as np
import pytest

from stt.decoding.decoder import Decoder
from stt.decoding.greedy import Word
from stt.decoding.postprocessing import PostProcessed, retimed

WORDS = [Word("the", 1.0, 1.2, 0.9), Word("kat", 1.2, 1.5, 0.4), Word("sat", 1.6, 2.0, 0.8)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the cat sat", [("the", 1.0, 1.2), ("cat", 1.2, 1.5), ("sat", 1.6, 2.0)]),
        ("the sat", [("the", 1.0, 1.2), ("sat", 1.6, 2.0)]),
        ("the kat sat down", [("the", 1.0, 1.2), ("kat", 1.2, 1.5), ("sat", 1.6, 2.0), ("down", 2.0, 2.0)]),
        ("oh the kat sat", [("oh", 1.0, 1.0), ("the", 1.0, 1.2), ("kat", 1.2, 1.5), ("sat", 1.6, 2.0)]),
        ("", []),
    ],
)
def test_corrected_words_stand_where_those_were_that_they_replace(
    text: str, expected: list[tuple[str, float, float]]
) -> None:
    timed = retimed(WORDS, text)
    assert [(word.text, word.start, word.end) for word in timed] == expected
    assert all(word.confidence == 0 for word in timed if word.start == word.end)


def test_nothing_recognized_stays_nothing() -> None:
    class Silent(Decoder):
        def words(self, *_: object) -> list[Word]:
            return []

    assert PostProcessed(Silent(), lambda texts: texts).words(np.zeros((1, 2), np.float32), 0.08) == []
