"""Beam search decoding with a KenLM language model and hot words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import kenlm
import numpy as np
import numpy.typing as npt

from stt.decoding.decoder import Decoder
from stt.decoding.language_model import read_description
from stt.decoding.options import BeamOptions
from stt.decoding.prefix_tree import PrefixTree, Scorer, WordLanguageModel
from stt.decoding.search import Beam, search
from stt.decoding.words import Word
from stt.errors import InputError
from stt.text.tokenizer import Tokenizer

STRETCH_SECONDS = 3.0  # at least, of what is searched for confidences
PAUSE_SECONDS = 0.2  # between words, where a stretch ends


class BeamSearch(Decoder):
    """Decodes utterances one at a time; cannot be shared between processes."""

    def __init__(self, tokenizer: Tokenizer, normalizer: str, options: BeamOptions) -> None:
        """Load the language model.

        Raises:
            InputError: the language model is missing or was built with another normalizer, or its words or a hot word
                contain letters that the tokenizer lacks.
        """
        self.options = options
        for word in options.hot_words:
            _check_letters(word, tokenizer)
        lm = _load(options, tokenizer, normalizer) if options.lm else None
        self._scorer = Scorer(tokenizer.pieces, lm, options.hot_words, options.hot_weight)

    def set_weights(self, alpha: float, beta: float) -> None:
        """Change the weights of the language model."""
        self._scorer.set_weights(alpha, beta)

    def beams(
        self,
        log_probs: npt.NDArray[np.float32],
        width: int | None = None,
        n_best: int | None = 1,
        before: Sequence[str] = (),
    ) -> list[Beam]:
        """Search log_probs (frame, vocab); returns the `n_best` beams (None: all) of what follows words, best first."""
        options = self.options
        return search(
            log_probs,
            PrefixTree(self._scorer, before),
            width or options.beam_width,
            options.token_min_logp,
            options.beam_prune_logp,
            recombine=n_best == 1,
        )[:n_best]

    def words(self, log_probs: npt.NDArray[np.float32], frame_seconds: float, start: float = 0.0) -> list[Word]:
        """Return the words of the best text with confidences and times, offset by `start` seconds.

        The confidence of a word is the share of beams, weighted by score, that contain it at overlapping times. Beams
        of a long text differ near its end only: those for the confidences are of stretches from pause to pause.
        """
        best = self.beams(log_probs)[0].frames
        words = []
        for span, frames in _stretches(best, len(log_probs), frame_seconds):
            before = [word for word, _, _ in best[: span.start]]
            beams = self.beams(log_probs[frames], n_best=None, before=before)
            scores = np.array([beam.score for beam in beams])
            weights = np.exp(scores - scores.max())
            weights /= weights.sum()
            for word, first, last in best[span]:
                f, t = first - frames.start, last - frames.start
                has = [any(w == word and a < t and f < b for w, a, b in beam.frames) for beam in beams]
                confidence = float(weights[has].sum())
                words.append(Word(word, start + first * frame_seconds, start + last * frame_seconds, confidence))
        return words

    def text(self, log_probs: npt.NDArray[np.float32]) -> str:
        """Return the best text, without keeping the beams that only confidences need."""
        return self.beams(log_probs)[0].text


def _stretches(
    words: Sequence[tuple[str, int, int]], frames: int, frame_seconds: float
) -> Iterator[tuple[slice, slice]]:
    """Cut words (text, first frame, frame after the last) at pauses; yield the words and frames of each stretch."""
    word = frame = 0
    for i, ((_, _, end), (_, following, _)) in enumerate(pairwise(words), 1):
        if (end - frame) * frame_seconds >= STRETCH_SECONDS and (following - end) * frame_seconds >= PAUSE_SECONDS:
            middle = (end + following) // 2
            yield slice(word, i), slice(frame, middle)
            word, frame = i, middle
    if words:
        yield slice(word, len(words)), slice(frame, frames)


def _load(options: BeamOptions, tokenizer: Tokenizer, normalizer: str) -> WordLanguageModel:
    path = str(options.lm)
    words = read_description(Path(path), normalizer).words
    known = [word for word in words if set(word) <= tokenizer.alphabet]
    if len(known) < len(words) / 2:
        raise InputError(
            f"{path}: {len(words) - len(known)} of its {len(words)} words have "
            "letters that the tokenizer lacks: it was built for another language"
        )
    try:
        model = kenlm.Model(path)
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a message that quotes bytes of the file
        raise InputError(f"{path}: KenLM cannot read this language model") from error
    return WordLanguageModel(model, known, options.alpha, options.beta, options.unknown_score)


def _check_letters(word: str, tokenizer: Tokenizer) -> None:
    unknown = sorted(set(word) - tokenizer.alphabet)
    if unknown or not word.strip():
        raise InputError(f"hot word {word!r}: the tokenizer lacks {' '.join(map(repr, unknown)) or 'empty word'}")
