"""Beam search over CTC's outputs: many texts at once, of which only those go on that are near the best."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Optional

import numpy as np
import numpy.typing as npt

from stt.decoding.prefix_tree import History, Prefix, PrefixTree

BLANK = 0
# Words before, first frame of the last word (-1: not begun), the frame after its last.
Times = tuple[Optional["Times"], int, int]
# Score with language model, of the acoustics alone, text, token of the last frame, times. Tuples, because a thousand
# are made for a second of audio, and few live longer than a frame.
Path = tuple[float, float, Prefix, int, Times]


@dataclass(frozen=True)
class Beam:
    """A text with its score and its words; times are frames, to which a word's confidence is not bound."""

    text: str
    frames: list[tuple[str, int, int]]  # word, its first frame, the frame after its last
    acoustic: float  # natural logarithm of the probability of the paths that were followed
    score: float  # with language model, words and hot words


class _Frontier:
    """Where paths have come to by a frame; those that meet are added up."""

    def __init__(self, vocab_size: int, prune_logp: float) -> None:
        self.paths: dict[int, Path] = {}
        self.limit = -math.inf  # what scores less is not followed
        self.vocab_size = vocab_size
        self.prune_logp = prune_logp

    def add(self, prefix: Prefix, token: int, acoustic: float, times: Times) -> None:
        score = acoustic + prefix.score
        if score < self.limit:
            return
        place = prefix.number * self.vocab_size + token
        other = self.paths.get(place)
        if other is not None:
            if other[1] > acoustic:
                times = other[4]
            acoustic = _add(acoustic, other[1])
            score = acoustic + prefix.score
        self.paths[place] = (score, acoustic, prefix, token, times)
        if score + self.prune_logp > self.limit:
            self.limit = score + self.prune_logp

    def best(self, width: int, recombine: bool) -> list[Path]:
        limit = self.limit
        ordered = sorted((path for path in self.paths.values() if path[0] >= limit), key=itemgetter(0), reverse=True)
        if not recombine:
            return ordered[:width]
        kept: dict[int, Path] = {}
        for path in ordered:
            kept.setdefault(path[2].future * self.vocab_size + path[3], path)
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
    """Find the texts that score best.

    Prefix search (Hannun et al. 2014, "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
    Recurrent DNNs"): a path is a text with the token of its last frame. Texts score as in pyctcdecode, but a path and a
    token are only looked at together where their sum can come within `prune_logp` of the best, so that unlikely
    tokens cost next to nothing, and frames that have nothing but a blank cost nothing.

    Args:
        log_probs: (frame, vocab), of one utterance.
        tree: new for this utterance.
        width: paths that go on from a frame to the next.
        token_min_logp: less likely tokens are not followed, the best of a frame excepted.
        prune_logp: nor are paths so much worse than the best (negative).
        recombine: of paths that the language model cannot tell apart from now on, follow only the best.

    Returns:
        Texts, the best first; with `recombine` not much more than the best.
    """
    paths: list[Path] = [(0.0, 0.0, tree.root, BLANK, (None, -1, -1))]
    all_blank, skipped = True, 0.0
    for frame, likely in enumerate(_likely_tokens(log_probs, token_min_logp)):
        only_blank = len(likely) == 1 and BLANK in likely
        if only_blank and all_blank:
            skipped += likely[BLANK]  # every path goes on as it is
            continue
        all_blank = only_blank
        frontier = _Frontier(log_probs.shape[1], prune_logp)
        _advance(frontier, paths, tree, frame, likely)
        paths = frontier.best(width, recombine)
    return _finished(paths, tree, skipped)


def _advance(frontier: _Frontier, paths: list[Path], tree: PrefixTree, frame: int, likely: dict[int, float]) -> None:
    """Let every path (the best first) go on with every token of a frame (the likeliest first) with which it can."""
    starts, hot, spell = tree.scorer.starts, tree.scorer.hot, tree.scorer.spell
    going_on = [(token, logp) for token, logp in likely.items() if token != BLANK and not starts[token]]
    starting = [(token, logp) for token, logp in likely.items() if starts[token]]
    add, blank, beginning = frontier.add, likely.get(BLANK), tree.beginning
    for score, acoustic, prefix, last, times in paths:
        before, begun, _ = times
        history, spelling = prefix.history, prefix.spelling
        if blank is not None:
            add(prefix, BLANK, acoustic + blank, times)
        if last != BLANK and last in likely:
            add(prefix, last, acoustic + likely[last], (before, begun, frame + 1))
        for token, logp in going_on:
            if score + logp + hot < frontier.limit:
                break
            longer = spelling.next.get(token) or spell(spelling, token)
            if token != last and acoustic + logp + history.score + longer.score >= frontier.limit:
                place = (before, frame if begun < 0 else begun, frame + 1)
                add(tree.prefix(history, longer), token, acoustic + logp, place)
        # Before the language model is asked for a finished word: can it be worth it?
        if not starting or score + starting[0][1] + spelling.most_gain < frontier.limit:
            continue
        finished = tree.finish(prefix)
        for token, logp in starting:
            if acoustic + logp + finished.score + hot < frontier.limit:
                break
            longer = beginning.next.get(token) or spell(beginning, token)
            if token != last and acoustic + logp + finished.score + longer.score >= frontier.limit:
                place = (times if spelling.letters else before, frame, frame + 1)
                add(tree.prefix(finished, longer), token, acoustic + logp, place)


def _likely_tokens(log_probs: npt.NDArray[np.float32], token_min_logp: float) -> Iterator[dict[int, float]]:
    """Logarithms of the probabilities by token, of each frame, the likeliest first."""
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
    """End every text; paths that differ in the last token alone are one."""
    ends: dict[History, tuple[float, float, Times | None]] = {}
    for _, acoustic, prefix, _, times in paths:
        history, score = tree.end(prefix)
        last = times if prefix.spelling.letters else times[0]
        _, other, place = ends.get(history, (0.0, -math.inf, None))
        ends[history] = (score, _add(acoustic, other), last if acoustic >= other else place)
    beams = []
    for history, (score, acoustic, last) in ends.items():
        words = history.words()
        frames = [(word, *place) for word, place in zip(words, _places(last), strict=True)]
        beams.append(Beam(" ".join(words), frames, acoustic + skipped, acoustic + skipped + score))
    return sorted(beams, key=lambda beam: beam.score, reverse=True)


def _places(last: Times | None) -> list[tuple[int, int]]:
    """First frame of each word, and the frame after its last."""
    places = []
    while last is not None:
        last, first, end = last
        places.append((first, end))
    return places[::-1]


def _add(one: float, other: float) -> float:
    """Add probabilities that are given by their logarithms."""
    high, low = (one, other) if one > other else (other, one)
    return high + math.log1p(math.exp(low - high))
