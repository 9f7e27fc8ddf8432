import numpy as np
import pytest

from stt.decoding.decoder import Decoder
from stt.decoding.postprocessing import PostProcessingDecoder, transfer_times
from stt.decoding.words import Word

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
def test_rewritten_words_keep_the_times_of_the_words_they_replace(
    text: str, expected: list[tuple[str, float, float]]
) -> None:
    timed = transfer_times(WORDS, text)
    assert [(word.text, word.start, word.end) for word in timed] == expected
    assert all(word.confidence == 0 for word in timed if word.start == word.end)


def test_an_empty_text_stays_empty() -> None:
    class EmptyDecoder(Decoder):
        def words(self, *_: object) -> list[Word]:
            return []

    assert PostProcessingDecoder(EmptyDecoder(), lambda texts: texts).words(np.zeros((1, 2), np.float32), 0.08) == []
