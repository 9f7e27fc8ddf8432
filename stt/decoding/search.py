"""CTC prefix beam search."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Optional

import numpy as np
import numpy.typing as npt

from stt.decoding.prefix_tree import Prefix, PrefixTree, WordHistory

BLANK = 0
# Times of the previous words, first frame of the last word (-1: not started), the frame after its last.
Times = tuple[Optional["Times"], int, int]
# Total score, acoustic score, text, token of the last frame, times. Tuples, because about a thousand are created per
# second of audio, and few live longer than a frame.
Path = tuple[float, float, Prefix, int, Times]


@dataclass(frozen=True)
class Beam:
    """A text with its scores and word times in frames."""

    text: str
    frames: list[tuple[str, int, int]]  # word, first frame, frame after the last
    acoustic: float  # natural log of the total probability of the explored paths
    score: float  # including language model, word reward and hot words


class _Frontier:
    """Paths up to a frame; paths with the same prefix and last token are merged."""

    def __init__(self, vocab_size: int, prune_logp: float) -> None:
        self.paths: dict[int, Path] = {}
        self.limit = -math.inf  # paths below this score are pruned
        self.vocab_size = vocab_size
        self.prune_logp = prune_logp

    def add(self, prefix: Prefix, token: int, acoustic: float, times: Times) -> None:
        score = acoustic + prefix.score
        if score < self.limit:
            return
        key = prefix.index * self.vocab_size + token
        other = self.paths.get(key)
        if other is not None:
            if other[1] > acoustic:
                times = other[4]
            acoustic = _add(acoustic, other[1])
            score = acoustic + prefix.score
        self.paths[key] = (score, acoustic, prefix, token, times)
        if score + self.prune_logp > self.limit:
            self.limit = score + self.prune_logp

    def best(self, width: int, recombine: bool) -> list[Path]:
        limit = self.limit
        ordered = sorted((path for path in self.paths.values() if path[0] >= limit), key=itemgetter(0), reverse=True)
        if not recombine:
            return ordered[:width]
        kept: dict[int, Path] = {}
        for path in ordered:
            kept.setdefault(path[2].recombination_key * self.vocab_size + path[3], path)
            if len(kept) == width:
                break
        return list(kept.values())


def search(
    log_probs: npt.NDArray[np.float32],
    tree: PrefixTree,
    width: int,
    token_min_logp: float,
    prune_logp: float,
    recombine: bool,
) -> list[Beam]:
    """Return the texts with the best scores.

    Prefix search (Hannun et al. 2014, "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
    Recurrent DNNs"): a path is a text with the token of its last frame. Texts are scored as in pyctcdecode, but a
    path is extended by a token only if the result can come within `prune_logp` of the best, so that unlikely
    tokens cost almost nothing, and frames whose only likely token is the blank cost nothing.

    Args:
        log_probs: (frame, vocab) of one utterance.
        tree: a new tree for this utterance.
        width: number of paths kept from one frame to the next.
        token_min_logp: less likely tokens are pruned, except the best of each frame.
        prune_logp: paths that score this much worse than the best are pruned (negative).
        recombine: keep only the best of the paths that the language model cannot distinguish from here on.

    Returns:
        Texts, best first; with `recombine`, few besides the best.
    """
    paths: list[Path] = [(0.0, 0.0, tree.root, BLANK, (None, -1, -1))]
    all_blank, skipped = True, 0.0
    for frame, likely in enumerate(_likely_tokens(log_probs, token_min_logp)):
        only_blank = len(likely) == 1 and BLANK in likely
        if only_blank and all_blank:
            skipped += likely[BLANK]  # leaves every path as it is
            continue
        all_blank = only_blank
        frontier = _Frontier(log_probs.shape[1], prune_logp)
        _advance(frontier, paths, tree, frame, likely)
        paths = frontier.best(width, recombine)
    return _finished(paths, tree, skipped)


def _advance(frontier: _Frontier, paths: list[Path], tree: PrefixTree, frame: int, likely: dict[int, float]) -> None:
    """Extend the paths (best first) by the tokens of a frame (most likely first)."""
    starts, max_hot_gain, extend = tree.scorer.starts, tree.scorer.max_hot_gain, tree.scorer.extend
    continuing = [(token, logp) for token, logp in likely.items() if token != BLANK and not starts[token]]
    starting = [(token, logp) for token, logp in likely.items() if starts[token]]
    add, blank, empty_word = frontier.add, likely.get(BLANK), tree.empty_word
    for score, acoustic, prefix, last, times in paths:
        before, started, _ = times
        history, partial_word = prefix.history, prefix.partial_word
        if blank is not None:
            add(prefix, BLANK, acoustic + blank, times)
        if last != BLANK and last in likely:
            add(prefix, last, acoustic + likely[last], (before, started, frame + 1))
        for token, logp in continuing:
            if score + logp + max_hot_gain < frontier.limit:
                break
            longer = partial_word.next.get(token) or extend(partial_word, token)
            if token != last and acoustic + logp + history.score + longer.score >= frontier.limit:
                new_times = (before, frame if started < 0 else started, frame + 1)
                add(tree.prefix(history, longer), token, acoustic + logp, new_times)
        # Query the language model only if completing the word can still be competitive.
        if not starting or score + starting[0][1] + partial_word.max_gain < frontier.limit:
            continue
        finished = tree.finish(prefix)
        for token, logp in starting:
            if acoustic + logp + finished.score + max_hot_gain < frontier.limit:
                break
            longer = empty_word.next.get(token) or extend(empty_word, token)
            if token != last and acoustic + logp + finished.score + longer.score >= frontier.limit:
                new_times = (times if partial_word.letters else before, frame, frame + 1)
                add(tree.prefix(finished, longer), token, acoustic + logp, new_times)


def _likely_tokens(log_probs: npt.NDArray[np.float32], token_min_logp: float) -> Iterator[dict[int, float]]:
    """Yield log-probabilities by token for each frame, most likely first."""
    likely = log_probs >= token_min_logp
    likely[np.arange(len(log_probs)), log_probs.argmax(axis=1)] = True
    frames, tokens = np.nonzero(likely)
    values = log_probs[frames, tokens]
    order = np.lexsort((-values, frames))
    ends = np.cumsum(likely.sum(axis=1)).tolist()
    ordered_tokens, ordered_values = tokens[order].tolist(), values[order].tolist()
    for first, end in zip([0, *ends], ends, strict=False):
        yield dict(zip(ordered_tokens[first:end], ordered_values[first:end], strict=True))


def _finished(paths: list[Path], tree: PrefixTree, skipped: float) -> list[Beam]:
    """End every text, merging paths that differ only in the last token."""
    ends: dict[WordHistory, tuple[float, float, Times | None]] = {}
    for _, acoustic, prefix, _, times in paths:
        history, score = tree.end(prefix)
        last = times if prefix.partial_word.letters else times[0]
        _, other, other_times = ends.get(history, (0.0, -math.inf, None))
        ends[history] = (score, _add(acoustic, other), last if acoustic >= other else other_times)
    beams = []
    for history, (score, acoustic, last) in ends.items():
        words = history.words()
        frames = [(word, *span) for word, span in zip(words, _word_spans(last), strict=True)]
        beams.append(Beam(" ".join(words), frames, acoustic + skipped, acoustic + skipped + score))
    return sorted(beams, key=lambda beam: beam.score, reverse=True)


def _word_spans(last: Times | None) -> list[tuple[int, int]]:
    """Return the first frame of each word and the frame after its last."""
    spans = []
    while last is not None:
        last, first, end = last
        spans.append((first, end))
    return spans[::-1]


def _add(one: float, other: float) -> float:
    """Add two probabilities given as logarithms."""
    high, low = (one, other) if one > other else (other, one)
    return high + math.log1p(math.exp(low - high))
