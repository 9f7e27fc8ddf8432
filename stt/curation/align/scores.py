"""How well a piece fits its audio, and the score that pieces of other texts do not reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stt.curation.align.pieces import Piece
from stt.curation.align.trellis import Block, Prices, Trellis
from stt.curation.align.words import Alignment

SAMPLE = 300  # pieces that are compared with other texts
REACHED = 0.99  # of the scores of other texts that are below the limit
HIGHEST = -1.0
NEVER = 1e6  # nats
FORCED = Prices(NEVER, NEVER, NEVER, NEVER)


def usual_limit(alignment: Alignment, pieces: Sequence[Piece]) -> float:
    """Return a score that texts of other pieces do not reach, nor pieces that are far worse than most."""
    others = other_scores(alignment, pieces)
    return max(HIGHEST, float(np.quantile(others, REACHED))) if len(others) else HIGHEST


def other_scores(alignment: Alignment, pieces: Sequence[Piece], seed: int = 0) -> npt.NDArray[np.float32]:
    """Return scores of the audio of pieces with the texts of other pieces of about as many tokens (piece,)."""
    script, outputs = alignment.script, alignment.outputs
    counts = [int(script.bounds[piece.end] - script.bounds[piece.first]) for piece in pieces]
    texts = [script.text(piece.first, piece.end) for piece in pieces]
    order = sorted(range(len(pieces)), key=lambda i: counts[i])
    chosen = np.random.default_rng(seed).permutation(len(order))[:SAMPLE]
    scores = []
    for place in chosen.tolist():
        piece = pieces[order[place]]
        near = [*order[place + 1 : place + 20], *order[max(0, place - 20) : place]]
        other = next((i for i in near if texts[i] != texts[order[place]]), None)
        if other is None:
            continue
        first, end = int(alignment.first[piece.first]), int(alignment.last[piece.end - 1]) + 1
        tokens = script.tokens[script.bounds[pieces[other].first] : script.bounds[pieces[other].end]]
        trellis = Trellis(tokens, np.array([0, len(tokens)]), np.array([0]), outputs.blank, FORCED)
        part = outputs.relative(first, end)
        path = trellis.best_path(lambda a, b, part=part: part[a:b], [Block(0, len(part), 0, 1)])
        if path.score > -NEVER:
            scores.append(path.score / len(tokens))
    return np.array(scores, np.float32)
