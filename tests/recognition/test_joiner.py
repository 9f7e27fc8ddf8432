import numpy as np
import numpy.typing as npt
import pytest

from stt.decoding.decoder import Greedy
from stt.decoding.words import Word
from stt.recognition import joiner as module
from stt.recognition.joiner import Joiner
from stt.recognition.windows import Window
from stt.text.tokenizer import Tokenizer, train_tokenizer

FRAME = 0.1  # seconds


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["ab cad", "cab ad", "bad dab", "a b c d"] * 5, 12)


def spell(tokenizer: Tokenizer, *words: str) -> npt.NDArray[np.float32]:
    """One frame for each piece, two frames without one around each word."""
    frames = []
    for word in words:
        pieces = [token for token in tokenizer.encode(word) for token in (token, tokenizer.blank_id)]
        frames += [tokenizer.blank_id, tokenizer.blank_id, *pieces, tokenizer.blank_id]
    log_probs = np.full((len(frames), tokenizer.vocab_size), -10.0, np.float32)
    log_probs[np.arange(len(frames)), frames] = 0
    return log_probs


def join(tokenizer: Tokenizer, log_probs: npt.NDArray[np.float32], cuts: list[int]) -> list[Word]:
    joiner = Joiner(Greedy(tokenizer), tokenizer, FRAME)
    words: list[Word] = []
    for start, end in zip([0, *cuts], [*cuts, len(log_probs)], strict=True):
        words += joiner.add(Window(np.zeros(0, np.float32), start, 0, end - start), log_probs[start:end])
    return words + joiner.flush()


@pytest.mark.parametrize("least", [0.0, 0.5, 100.0])
def test_words_and_their_times_are_those_of_the_whole_wherever_it_is_cut(
    tokenizer: Tokenizer, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_SECONDS", least)
    log_probs = spell(tokenizer, "cab", "dabba", "ab", "ccad", "cab")
    whole = Greedy(tokenizer).words(log_probs, FRAME)
    assert [word.text for word in whole] == ["cab", "dabba", "ab", "ccad", "cab"]
    for first in range(len(log_probs) + 1):
        for second in (first, (first + len(log_probs)) // 2, len(log_probs)):
            joined = join(tokenizer, log_probs, [first, second])
            assert [word.text for word in joined] == [word.text for word in whole]
            assert [(word.start, word.end) for word in joined] == [
                pytest.approx((word.start, word.end)) for word in whole
            ]


def test_words_are_given_at_the_first_joint_between_words_and_not_before(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_SECONDS", 0.0)
    joiner = Joiner(Greedy(tokenizer), tokenizer, FRAME)
    word = spell(tokenizer, "dabba")
    assert joiner.add(Window(np.zeros(0, np.float32), 0, 0, 3), word[:3]) == []
    assert joiner.add(Window(np.zeros(0, np.float32), 3, 0, len(word) - 3), word[3:]) == []
    [said] = joiner.add(Window(np.zeros(0, np.float32), len(word), 0, None), word)
    assert said.text == "dabba"


def test_what_never_pauses_is_decoded_before_it_fills_the_memory(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(module, "MOST_SECONDS", 2.0)
    joiner = Joiner(Greedy(tokenizer), tokenizer, FRAME)
    [piece] = tokenizer.encode("a")[-1:]
    endless = np.full((10, tokenizer.vocab_size), -10.0, np.float32)
    endless[:, piece] = 0
    given = [bool(joiner.add(Window(np.zeros(0, np.float32), 10 * i, 0, 10), endless)) for i in range(9)]
    assert given == [False, False, True, False, True, False, True, False, True]
