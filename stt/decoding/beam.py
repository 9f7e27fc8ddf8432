"""Decoding by beam search with a KenLM language model and hot words."""

from __future__ import annotations

from pathlib import Path

import kenlm
import numpy as np
import numpy.typing as npt

from stt.decoding.decoder import Decoder
from stt.decoding.greedy import Word
from stt.decoding.language_model import description_of
from stt.decoding.options import BeamOptions
from stt.decoding.prefix_tree import PrefixTree, Scorer, WordModel
from stt.decoding.search import Beam, search
from stt.errors import InputError
from stt.text.tokenizer import Tokenizer


class BeamSearch(Decoder):
    """Decodes one utterance after the other; not to be shared between processes."""

    def __init__(self, tokenizer: Tokenizer, normalizer: str, options: BeamOptions) -> None:
        """Load the language model.

        Raises:
            InputError: the language model is missing or was made otherwise, its words are not of the
                tokenizer's letters, or a hot word is not.
        """
        self.options = options
        for word in options.hot_words:
            _check_letters(word, tokenizer)
        lm = _load(options, tokenizer, normalizer) if options.lm else None
        self._scorer = Scorer(tokenizer.pieces, lm, options.hot_words, options.hot_weight)

    def reset(self, alpha: float, beta: float) -> None:
        """Go on with other weights."""
        self._scorer.reset(alpha, beta)

    def beams(self, log_probs: npt.NDArray[np.float32], width: int | None = None, n_best: int | None = 1) -> list[Beam]:
        """Search log_probs (frame, vocab) of one utterance; gives the `n_best` (None: all), best first."""
        options = self.options
        return search(
            log_probs,
            PrefixTree(self._scorer),
            width or options.beam_width,
            options.token_min_logp,
            options.beam_prune_logp,
            recombine=n_best == 1,
        )[:n_best]

    def words(self, log_probs: npt.NDArray[np.float32], frame_seconds: float, start: float = 0.0) -> list[Word]:
        """Give the words of the best text with times (`start` seconds added) and confidences.

        A word's confidence is the share of all beams, weighed by their scores, that have it at its place.
        """
        beams = self.beams(log_probs, n_best=None)
        scores = np.array([beam.score for beam in beams])
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        words = []
        for word, first, last in beams[0].frames:
            has = [any(w == word and f < last and first < to for w, f, to in beam.frames) for beam in beams]
            confidence = float(weights[has].sum())
            words.append(Word(word, start + first * frame_seconds, start + last * frame_seconds, confidence))
        return words

    def text(self, log_probs: npt.NDArray[np.float32]) -> str:
        """Give the best text, without the beams that only confidences are made of."""
        return self.beams(log_probs)[0].text


def _load(options: BeamOptions, tokenizer: Tokenizer, normalizer: str) -> WordModel:
    path = str(options.lm)
    words = description_of(Path(path), normalizer).words
    known = [word for word in words if set(word) <= tokenizer.alphabet]
    if len(known) < len(words) / 2:
        raise InputError(
            f"{path}: {len(words) - len(known)} of its {len(words)} words have "
            "letters that the tokenizer does not have: it was made for another language"
        )
    try:
        model = kenlm.Model(path)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path}: not a language model that KenLM can read") from error
    return WordModel(model, known, options.alpha, options.beta, options.unknown_score)


def _check_letters(word: str, tokenizer: Tokenizer) -> None:
    unknown = sorted(set(word) - tokenizer.alphabet)
    if unknown or not word.strip():
        raise InputError(f"hot word {word!r}: the tokenizer has no {' '.join(map(repr, unknown)) or 'empty word'}")
