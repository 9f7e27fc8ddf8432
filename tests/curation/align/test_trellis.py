"""The trellis against all paths of tiny texts, and in a band and in blocks against the whole."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.curation.align.trellis import Block, Floats, Path, Prices, Trellis

PRICES = Prices(unwritten=0.7, unwritten_inside=1.3, unspoken=1.1, unspoken_inside=1.9)


def relative(frames: int, vocab: int, seed: int) -> Floats:
    logits = 3 * np.random.default_rng(seed).standard_normal((frames, vocab))
    return (logits - logits.max(axis=1, keepdims=True)).astype(np.float32)


def sentence_starts(words: list[list[int]], edges: set[int]) -> list[int]:
    return [0, *sorted(edge for edge in edges if edge < len(words))]


def find(outputs: Floats, words: list[list[int]], starts: list[int], blocks: list[Block] | None = None) -> Path:
    tokens = np.array([token for word in words for token in word], np.int64)
    bounds = np.cumsum([0, *map(len, words)])
    blocks = blocks or [Block(0, len(outputs), 0, len(words))]
    return Trellis(tokens, bounds, np.array(starts), 0, PRICES).best_path(lambda first, end: outputs[first:end], blocks)


def best_of_all(outputs: Floats, words: list[list[int]], starts: list[int]) -> float:
    """The score of the best of all labelings of the frames, and of all choices of skipped words."""
    frames, vocab = outputs.shape
    other = -1  # a frame that is passed over: as a blank, but at its own price and between words only
    best = -np.inf
    for kept in product((True, False), repeat=len(words)):
        target = [token for word, keep in zip(words, kept, strict=True) if keep for token in word]
        prices = passing_prices(words, kept, starts)
        for labels in product((other, *range(vocab)), repeat=frames):
            said, last, paid = [], 0, 0.0
            for label in labels:
                if label > 0 and label != last:
                    said.append(label)
                if label == other:  # the first frame after a token is before the words that are skipped
                    paid -= prices.get(len(said), [np.inf])[0 if last else -1]
                last = max(label, 0)
            # A skipped word needs a frame between its neighbours, or lies before all frames.
            if said == target and skippable(labels, kept, words):
                score = sum(outputs[t, label] for t, label in enumerate(labels) if label != other)
                best = max(best, score + paid - skip_price([not keep for keep in kept], words, starts))
    return best


def passing_prices(words: list[list[int]], kept: tuple[bool, ...], starts: list[int]) -> dict[int, list[float]]:
    """Prices of a frame that is passed over, by the number of tokens said before it: next to them, and the lowest."""
    prices: dict[int, list[float]] = {}
    count = 0
    for i in range(len(words) + 1):
        price = PRICES.unwritten if i in (*starts, len(words)) else PRICES.unwritten_inside
        prices[count] = [prices[count][0], min(price, prices[count][1])] if count in prices else [price, price]
        count += len(words[i]) if i < len(words) and kept[i] else 0
    return prices


def skip_price(skipped: Sequence[bool], words: list[list[int]], starts: list[int]) -> float:
    total = 0.0
    for first, end in pairwise([*starts, len(words)]):
        price = PRICES.unspoken if all(skipped[first:end]) else PRICES.unspoken_inside
        total += price * sum(len(word) for word, skip in zip(words[first:end], skipped[first:end], strict=True) if skip)
    return total


def skippable(labels: tuple[int, ...], kept: tuple[bool, ...], words: list[list[int]]) -> bool:
    """Whether the path visits a blank between words where some are skipped: before all frames, or in one."""
    visited, said, last = {0}, 0, 0
    for label in labels:
        if label > 0 and label != last:
            said += 1
        if label <= 0:
            visited.add(said)
        last = max(label, 0)
    count = 0
    for word, keep in zip(words, kept, strict=True):
        if not keep and count not in visited:
            return False
        count += len(word) if keep else 0
    return True


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.lists(st.integers(1, 2), min_size=1, max_size=2), min_size=1, max_size=3),
    frames=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    edges=st.sets(st.integers(1, 11)),
)
def test_the_path_is_the_best_of_all(words: list[list[int]], frames: int, seed: int, edges: set[int]) -> None:
    starts = sentence_starts(words, edges)
    outputs = relative(frames, 3, seed)
    path = find(outputs, words, starts)
    assert path.score == pytest.approx(best_of_all(outputs, words, starts), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=12),
    frames=st.integers(1, 60),
    seed=st.integers(0, 10_000),
    edges=st.sets(st.integers(1, 11)),
)
def test_a_path_is_monotone_covers_the_words_and_pays_what_it_scores(
    words: list[list[int]], frames: int, seed: int, edges: set[int]
) -> None:
    starts = sentence_starts(words, edges)
    outputs = relative(frames, 5, seed)
    path = find(outputs, words, starts)
    tokens = path.tokens[path.tokens >= 0]
    assert (np.diff(tokens) >= 0).all()
    assert (np.diff(path.words) >= 0).all()
    word_of = np.repeat(np.arange(len(words)), list(map(len, words)))
    assert set(tokens.tolist()) == set(np.flatnonzero(~path.skipped[word_of]).tolist())
    assert path.score == pytest.approx(path.costs.sum() - skip_price(path.skipped.tolist(), words, starts), abs=1e-3)
    assert (path.tokens[path.unwritten] == -1).all()


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=12),
    frames=st.integers(2, 80),
    length=st.integers(1, 30),
    seed=st.integers(0, 10_000),
    edges=st.sets(st.integers(1, 11)),
)
def test_blocks_find_the_path_of_the_whole(
    words: list[list[int]], frames: int, length: int, seed: int, edges: set[int]
) -> None:
    starts = sentence_starts(words, edges)
    outputs = relative(frames, 5, seed)
    whole = find(outputs, words, starts)
    edges = [*range(0, frames, length), frames]
    blocks = [Block(first, end, 0, len(words)) for first, end in pairwise(edges)]
    parts = find(outputs, words, starts, blocks)
    assert parts.score == pytest.approx(whole.score, abs=1e-3)
    # The narrowest band that contains the path: the words that it visits in each block, and on both sides of it.
    last = len(words) - 1
    visited = [(int(whole.words[max(0, b.first - 1)]), int(whole.words[min(b.end, frames - 1)])) for b in blocks]
    narrow = [
        Block(b.first, b.end, min(low, last), min(high, last) + 1)
        for b, (low, high) in zip(blocks, visited, strict=True)
    ]
    narrow[0] = replace(narrow[0], low=0)
    narrow[-1] = replace(narrow[-1], high=len(words))
    banded = find(outputs, words, starts, narrow)
    assert banded.score == pytest.approx(whole.score, abs=1e-3)
    assert banded.score == pytest.approx(
        banded.costs.sum() - skip_price(banded.skipped.tolist(), words, starts), abs=1e-3
    )
