"""Suspects: utterances whose label the model finds as unlikely as anybody else's label.

A hard utterance with a right label costs the model more than an easy one, but far less than a text
that was never spoken. How much that costs is measured beside: the loss of the same audio against
the text of another utterance. A CER says much less: it is coarse in short utterances, and a
noisy one with a right label reaches the CER of a wrong one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats

SEPARATED = 0.5  # median loss over that of random labels, under which a label can be judged
HIGHEST = 1.5  # scores are cut here, so that one look cannot outweigh all others
THRESHOLD = 0.65  # mean score of a suspect that was looked at often
SINGLE_OBSERVATION = 0.1  # what a single look needs more, two observations half of it, and so on
CLEAN = 0.2  # score of a right label, at most times
MOST = 0.5  # share of a domain that can be quarantined: if more seems wrong, it is not the labels


def label_error_scores(losses: Floats, random_losses: Floats) -> Floats:
    """Judge labels: about 0 for what was learned, 1 for a label like that of another utterance.

    Args:
        losses: CTC loss per token of a domain's utterances since the last update; NaN where there is none.
        random_losses: the same against texts of other utterances.

    Returns:
        Doubt of each label; NaN for all while the model cannot tell right labels from wrong ones.
    """
    known, wrong = losses[np.isfinite(losses)], random_losses[np.isfinite(random_losses)]
    if not len(known) or not len(wrong) or np.median(known) > SEPARATED * np.median(wrong):
        return np.full(len(losses), np.nan, np.float32)
    return np.asarray(np.clip(losses / np.median(wrong), 0, HIGHEST), dtype=np.float32)


def find_label_errors(score: npt.NDArray[np.float16], observations: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Flag the utterances of a domain whose mean label-error score is too high for that many observations."""
    looked = np.flatnonzero(observations)
    found = looked[score[looked] > _threshold(observations[looked])]
    most = int(MOST * len(score))
    if len(found) > most:
        found = found[np.argsort(-score[found], kind="stable")[:most]]
    label_errors = np.zeros(len(score), dtype=np.bool_)
    label_errors[found] = True
    return label_errors


def could_be_cleared(score: npt.NDArray[np.float16], observations: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Tell of which label errors one more look, with the score of a right label, would take the suspicion."""
    more = observations.astype(np.float32) + 1
    return np.asarray((score * (more - 1) + CLEAN) / more <= _threshold(more))


def _threshold(observations: npt.NDArray[Any]) -> Floats:
    """Mean score over which an utterance is a suspect, after so many observations."""
    return np.asarray(THRESHOLD + SINGLE_OBSERVATION / observations, dtype=np.float32)
