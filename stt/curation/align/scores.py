"""The score that a piece must have: one that pieces of other texts do not reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stt.curation.align.outputs import Outputs
from stt.curation.align.pieces import Piece
from stt.curation.align.trellis import Block, Prices, Trellis
from stt.curation.align.words import Alignment

SAMPLE = 300  # pieces that are compared with other texts
REACHED = 0.99  # of the scores of other texts that are below the limit
LOWEST = -1.5  # limit for a network that tells all texts apart: below, single words are not those spoken
NEAR = 20  # pieces of about the same number of tokens
NEVER = 1e6  # nats


def usual_limit(alignment: Alignment, pieces: Sequence[Piece]) -> float:
    """Return the limit for the scores of pieces: higher for a network that hardly tells their texts from others."""
    others = other_scores(alignment, pieces)
    return max(LOWEST, float(np.quantile(others, REACHED))) if len(others) else LOWEST


def other_scores(alignment: Alignment, pieces: Sequence[Piece]) -> npt.NDArray[np.float64]:
    """Return scores of the audio of a sample of pieces, with texts of other pieces of about as many tokens (piece,)."""
    script = alignment.script
    bounds = [(int(script.bounds[piece.first]), int(script.bounds[piece.end])) for piece in pieces]
    order = sorted(range(len(pieces)), key=lambda i: bounds[i][1] - bounds[i][0])
    scores = []
    for place in np.random.default_rng(0).permutation(len(order))[:SAMPLE].tolist():
        piece = pieces[order[place]]
        text = script.text(piece.first, piece.end)
        near = [*order[place + 1 : place + NEAR], *order[max(0, place - NEAR) : place]]
        other = next((i for i in near if script.text(pieces[i].first, pieces[i].end) != text), None)
        if other is None:
            continue
        first, last = int(alignment.first[piece.first]), int(alignment.last[piece.end - 1])
        tokens = script.tokens[slice(*bounds[other])]
        score = _forced(alignment.outputs, first, last + 1, tokens)
        if score > -NEVER:  # else the frames are too few for the tokens
            scores.append(score / len(tokens))
    return np.array(scores)


def _forced(outputs: Outputs, first: int, end: int, tokens: npt.NDArray[np.int64]) -> float:
    """Return the score of the best path of tokens through frames `first` to `end`, of which nothing is skipped."""
    one = np.zeros(1, np.int64)
    trellis = Trellis(tokens, np.array([0, len(tokens)]), one, outputs.blank, Prices(NEVER, NEVER, NEVER, NEVER))
    return trellis.best_path(lambda a, b: outputs.relative(first + a, first + b), [Block(0, end - first, 0, 1)]).score
