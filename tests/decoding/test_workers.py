import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from stt.decoding.decoder import Decoder, Greedy
from stt.decoding.workers import DecodingPool
from stt.text.tokenizer import Tokenizer


def build(tokenizer: Tokenizer, normalizer: str) -> Decoder:
    return Greedy(tokenizer)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_the_texts_come_in_the_order_of_the_utterances(num_workers: int, tokenizer_file: Path) -> None:
    tokenizer = Tokenizer.load(tokenizer_file)
    texts = ["ab", "cad", "e"]
    pool = DecodingPool(build, tokenizer, "plain-1", num_workers)
    futures = [pool.submit(spoken(tokenizer, text)) for text in texts]
    assert [future.result() for future in futures] == texts
    pool.close()


def test_no_more_calls_wait_than_memory_allows(tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt.decoding.workers.MAX_WAITING", 2)
    pool = DecodingPool(build, Tokenizer.load(tokenizer_file), "plain-1", 1)
    futures: list[Future[int]] = []
    for i in range(5):
        futures.append(pool.call(slowly, i))
        assert sum(not future.done() for future in futures) <= 2
    assert [future.result() for future in futures] == list(range(5))
    pool.close()


def slowly(decoder: Decoder, number: int) -> int:
    time.sleep(0.05)
    return number


def spoken(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """log_probs (frame, vocab) of a text: each token for a frame, then the blank."""
    frames = [index for token in tokenizer.encode(text) for index in (token, tokenizer.blank_id)]
    return np.log(np.eye(tokenizer.vocab_size, dtype=np.float32)[frames] + 1e-6)
