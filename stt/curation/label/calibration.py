"""Calibration: which word error rate to expect of a hypothesis, given its score, from utterances with human texts.

Isotonic regression (Zadrozny and Elkan, 2002, "Transforming classifier scores into accurate multiclass probability
estimates"): of all functions that do not rise with the score, the one nearest to what was observed. One for all
domains: docs/labelling.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

Floats = npt.NDArray[np.float64]
FOLDS = 10  # of cross-fitting


@dataclass(frozen=True)
class Observed:
    """Recognized utterances whose texts are known; arrays (utterance,).

    Attributes:
        scores: of the hypotheses, `RecognizedRow.score`.
        edits: of words, from reference to hypothesis.
        words: of the reference, at least 1.
    """

    scores: Floats
    edits: Floats
    words: Floats

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.scores)

    def where(self, keep: npt.NDArray[Any]) -> Observed:
        """Return the utterances of a mask or of indices."""
        return Observed(self.scores[keep], self.edits[keep], self.words[keep])

    @property
    def wer(self) -> float:
        """Word error rate: edits over words; 0 without utterances."""
        return float(self.edits.sum() / max(self.words.sum(), 1.0))


@dataclass(frozen=True)
class Calibration:
    """The expected word error rate by score; linear between the points, constant outside.

    Attributes:
        scores: (point,) rising.
        wers: (point,) not rising.
        words: (point,) that were observed there.
        utterances: that were observed.
    """

    scores: Floats
    wers: Floats
    words: Floats
    utterances: int

    @classmethod
    def fit(cls, observed: Observed) -> Calibration:
        """Fit to at least one utterance; those with equal scores are one point."""
        scores, point = np.unique(observed.scores, return_inverse=True)
        edits, words = (np.asarray(np.bincount(point, one), np.float64) for one in (observed.edits, observed.words))
        fitted = isotonic_regression(edits / words, weights=words, increasing=False).x
        return cls(scores, np.asarray(fitted, np.float64), words, len(observed))

    def expected_wer(self, scores: npt.ArrayLike) -> Floats:
        """Return the expected word error rate of hypotheses with these scores."""
        return np.asarray(np.interp(np.asarray(scores, np.float64), self.scores, self.wers), np.float64)

    def confidence(self, scores: npt.ArrayLike) -> Floats:
        """Return the expected share of words that are right, 0..1."""
        return np.clip(1 - self.expected_wer(scores), 0.0, 1.0)

    def lowest_score(self, max_wer: float) -> float | None:
        """Return the lowest score above which hypotheses have a word error rate of at most `max_wer` together.

        It is the mean of the expected rates of the calibration's own utterances from the score on, with one more that
        is all wrong: so the rate of new utterances is within `max_wer` on average, and not only that of those that the
        score was chosen on (after conformal risk control, Angelopoulos et al., 2022).

        Returns:
            None if no score reaches it.
        """
        reached = np.flatnonzero(self.kept_wers() <= max_wer)
        return float(self.scores[::-1][reached[-1]]) if len(reached) else None

    def lowest_score_of(self, scores: Floats, words: Floats, max_wer: float) -> float:
        """Return the lowest of the scores (utterance,) above which these utterances are expected to keep to `max_wer`.

        Where they are harder than the calibration's, their scores are lower, and more of those that just pass are bad.

        Args:
            scores: of the hypotheses.
            words: of the hypotheses.
            max_wer: word error rate that they may have together.

        Returns:
            A score just above all of them if there is none.
        """
        order = np.argsort(-scores, kind="stable")
        expected = np.cumsum(self.expected_wer(scores)[order] * words[order]) / np.cumsum(words[order])
        reached = np.flatnonzero(expected <= max_wer)
        above = np.nextafter(scores.max(initial=-np.inf), np.inf)
        return float(scores[order][reached[-1]] if len(reached) else above)

    def kept_wers(self) -> Floats:
        """Return the rate (point,) of what is kept from each score on, with one utterance more; highest score first."""
        one_more = self.words.sum() / self.utterances
        words = np.cumsum(self.words[::-1])
        return np.asarray((np.cumsum((self.wers * self.words)[::-1]) + one_more) / (words + one_more), np.float64)


def cross_fitted(observed: Observed) -> Floats:
    """Return the expected rate of every utterance (utterance,) by a calibration to others: every tenth is left out.

    Fewer than ten utterances, of which there are at least two, are left out one by one.
    """
    folds = min(FOLDS, len(observed))
    expected = np.full(len(observed), np.nan)
    fold = np.arange(len(observed)) % folds
    for number in range(folds):
        calibration = Calibration.fit(observed.where(fold != number))
        expected[fold == number] = calibration.expected_wer(observed.scores[fold == number])
    return expected
