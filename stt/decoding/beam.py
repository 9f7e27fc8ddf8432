"""Beam search over CTC's outputs with a KenLM language model, by pyctcdecode."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kenlm
import numpy as np
import numpy.typing as npt
import yaml
from pyctcdecode.alphabet import Alphabet
from pyctcdecode.decoder import BeamSearchDecoderCTC
from pyctcdecode.language_model import LanguageModel

from stt.decoding.greedy import Word
from stt.decoding.language_model import description_of
from stt.errors import InputError
from stt.text.tokenizer import WORD_START, Tokenizer

# pyctcdecode takes a piece that is nothing but the mark of a word's start for one that ends a word too, and cuts words
# in two. With something invisible behind the mark it does not; words lose it again.
NOTHING = "\u2060"
logging.getLogger("pyctcdecode").setLevel(logging.ERROR)  # it warns of an unknown piece, which CTC has none of


@dataclass(frozen=True)
class BeamOptions:
    """How to search; `lm tune` finds alpha, beta and the width for a language model."""

    lm: str | None = None  # binary of `lm train`; None: by the acoustics alone
    alpha: float = 0.5  # weight of the language model's natural logarithms
    beta: float = 1.0  # reward of each word, against a language model's liking for few
    beam_width: int = 50
    token_min_logp: float = -4.0  # tokens less likely than this are not followed, the best of a frame excepted
    beam_prune_logp: float = -10.0  # nor are beams so much worse than the best
    unknown_score: float = -10.0  # of a word that the language model does not know, or its beginning
    hot_words: tuple[str, ...] = ()
    hot_weight: float = 10.0


def read_options(path: Path | None = None, **changed: Any) -> BeamOptions | None:
    """Read the options of a configuration (`beam.options`), some of them changed; None if there is nothing of either.

    Raises:
        InputError: the file is missing, or is not such a configuration.
    """
    options: dict[str, Any] = {}
    if path is not None:
        if not path.is_file():
            raise InputError(f"{path}: there is no such configuration; `lm tune` writes one")
        try:
            options = dict(yaml.safe_load(path.read_text(encoding="utf-8"))["beam"]["options"])
            BeamOptions(**options)
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not a configuration of a beam search (beam.options): {error}") from error
    return BeamOptions(**(options | changed)) if options or changed else None


@dataclass(frozen=True)
class Beam:
    """A text with its score and its words; times are frames, to which a word's confidence is not bound."""

    text: str
    frames: list[tuple[str, int, int]]  # word, its first frame, the frame after its last
    acoustic: float  # natural logarithm of the probability of its path
    score: float  # with language model, words and hot words


class BeamSearch:
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
        language_model = None
        if options.lm:
            description = description_of(Path(options.lm), normalizer)
            known = [word for word in description.words if set(word) <= tokenizer.alphabet]
            if len(known) < len(description.words) / 2:
                raise InputError(
                    f"{options.lm}: {len(description.words) - len(known)} of its {len(description.words)} words have "
                    "letters that the tokenizer does not have: it was made for another language"
                )
            try:
                model = kenlm.Model(options.lm)
            except (OSError, RuntimeError) as error:
                raise InputError(f"{options.lm}: not a language model that KenLM can read") from error
            language_model = _WithoutMark(model, known, options.alpha, options.beta, options.unknown_score)
        labels = [WORD_START + NOTHING if piece == WORD_START else piece for piece in tokenizer.pieces]
        self._decoder = BeamSearchDecoderCTC(Alphabet(labels, is_bpe=True), language_model)

    def reset(self, alpha: float, beta: float) -> None:
        """Go on with other weights."""
        self._decoder.reset_params(alpha=alpha, beta=beta)

    def beams(self, log_probs: npt.NDArray[np.float32], width: int | None = None, n_best: int | None = 1) -> list[Beam]:
        """Search log_probs (frame, vocab) of one utterance; gives the `n_best` (None: all), best first."""
        options = self.options
        if not len(log_probs):
            return [Beam("", [], 0.0, 0.0)]
        found = self._decoder.decode_beams(
            log_probs,  # type: ignore[arg-type]  # its stubs want no particular float
            beam_width=width or options.beam_width,
            beam_prune_logp=options.beam_prune_logp,
            token_min_logp=options.token_min_logp,
            prune_history=n_best == 1,
            hotwords=list(options.hot_words) or None,
            hotword_weight=options.hot_weight,
        )
        return [_beam(*one) for one in found[:n_best]]

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


class _WithoutMark(LanguageModel):
    """pyctcdecode's language model, which sees words without the invisible mark."""

    def __init__(
        self, model: kenlm.Model, words: Sequence[str], alpha: float, beta: float, unknown_score: float
    ) -> None:
        super().__init__(model, words, alpha, beta, unknown_score)

    def score_partial_token(self, partial_token: str) -> float:
        plain = partial_token.replace(NOTHING, "")
        return float(super().score_partial_token(plain)) if plain else 0.0

    def score(self, prev_state: kenlm.State, word: str, is_last_word: bool = False) -> tuple[float, kenlm.State]:
        scored: tuple[float, kenlm.State] = super().score(prev_state, word.replace(NOTHING, ""), is_last_word)
        return scored


def _beam(text: str, _: object, frames: list[tuple[str, tuple[int, int]]], acoustic: float, score: float) -> Beam:
    places = [(word.replace(NOTHING, ""), first, last) for word, (first, last) in frames]
    return Beam(text.replace(NOTHING, ""), places, float(acoustic), float(score))


def _check_letters(word: str, tokenizer: Tokenizer) -> None:
    unknown = sorted(set(word) - tokenizer.alphabet)
    if unknown or not word.strip():
        raise InputError(f"hot word {word!r}: the tokenizer has no {' '.join(map(repr, unknown)) or 'empty word'}")
