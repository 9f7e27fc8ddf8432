"""Beam search decoding with a KenLM language model and hot words."""

from __future__ import annotations

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

    def beams(self, log_probs: npt.NDArray[np.float32], width: int | None = None, n_best: int | None = 1) -> list[Beam]:
        """Search log_probs (frame, vocab) of one utterance; returns the `n_best` beams (None: all), best first."""
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
        """Return the words of the best text with confidences and times, offset by `start` seconds.

        The confidence of a word is the share of beams, weighted by score, that contain it at overlapping times.
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
        """Return the best text, without keeping the beams that only confidences need."""
        return self.beams(log_probs)[0].text


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
