"""The words of a text in a recording: frames of each, found or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stt.curation.align.anchors import belong_together, leaves_room, letter_positions, plan_blocks
from stt.curation.align.outputs import Outputs
from stt.curation.align.script import Script, spelling
from stt.curation.align.trellis import Path, Prices, Trellis
from stt.errors import InputError
from stt.text.tokenizer import Tokenizer

MARGIN = 60  # words before and after those of the hypothesis that the path may visit; doubled until it is enough

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Alignment:
    """Where the words of a script are spoken, and what is said between them."""

    script: Script
    outputs: Outputs
    first: Ints  # (word,) first frame; -1 if the word is not spoken, or cannot be spelled
    last: Ints  # (word,) last frame
    unwritten: npt.NDArray[np.bool_]  # (frame,) speech that is not in the text
    costs: npt.NDArray[np.float32]  # (frame,) at most 0, log-probability of the path relative to the best token

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Whether a word is found (word,)."""
        return self.first >= 0

    def score(self, first: int, end: int) -> float:
        """Return the mean cost of a token of words `first` to `end`, without `end`, all of which are found."""
        tokens = self.script.bounds[end] - self.script.bounds[first]
        return float(self.costs[self.first[first] : self.last[end - 1] + 1].sum() / tokens)


def align_words(script: Script, outputs: Outputs, tokenizer: Tokenizer, prices: Prices, name: str) -> Alignment:
    """Find the words of a script in a recording.

    Args:
        script: the text.
        outputs: of the network for the recording.
        tokenizer: the checkpoint's tokenizer.
        prices: for what text and audio do not have in common.
        name: of text and recording, for messages.

    Raises:
        InputError: the network hears nothing, or nothing that is like the text.
    """
    spelled = np.flatnonzero(np.diff(script.bounds))  # the trellis has no words without tokens
    bounds = np.append(script.bounds[spelled], len(script.tokens))
    frames, tokens = outputs.emitted
    hypothesis, letter_tokens = spelling(tokens, tokenizer)
    if not hypothesis:
        raise InputError(f"{name}: nothing is recognized in the recording")
    text, text_tokens = spelling(script.tokens, tokenizer)
    if not belong_together(hypothesis, text):
        raise InputError(f"{name}: what is recognized is no nearer to the text than to its words in another order")
    positions = np.minimum(letter_positions(hypothesis, text), len(text) - 1)
    letter_words = np.searchsorted(bounds, text_tokens[positions], side="right") - 1
    sentences = np.unique(np.minimum(np.searchsorted(spelled, script.sentences), len(spelled) - 1))
    trellis = Trellis(script.tokens, bounds, sentences, outputs.blank, prices)
    margin = MARGIN
    while True:
        blocks = plan_blocks(len(outputs.log_probs), frames[letter_tokens], letter_words, len(spelled), margin)
        path = trellis.best_path(outputs.relative, blocks)
        if leaves_room(path.words, blocks, len(spelled), margin // 4):
            return _alignment(script, outputs, path, spelled, bounds)
        margin *= 2


def _alignment(script: Script, outputs: Outputs, path: Path, spelled: Ints, bounds: Ints) -> Alignment:
    spoken = np.flatnonzero(path.tokens >= 0)
    firsts, lasts = (np.full(len(script.tokens), -1) for _ in range(2))
    lasts[path.tokens[spoken]] = spoken
    firsts[path.tokens[spoken[::-1]]] = spoken[::-1]  # of equal indices, the last one is assigned
    first, last = (np.full(len(script.words), -1) for _ in range(2))
    first[spelled] = firsts[bounds[:-1]]
    last[spelled] = lasts[bounds[1:] - 1]
    return Alignment(script, outputs, first, last, path.unwritten, path.costs)
