"""Suspected label errors: utterances whose label is as unlikely to the model as that of another utterance.

The loss of a hard utterance with a clean label is higher than that of an easy one, but far lower than for a text
that was never spoken. The reference is the loss of the same audio against the text of another utterance. CER is much
less informative: it is coarse for short utterances, and a noisy utterance with a clean label reaches the CER of a
label error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats

MAX_LOSS_RATIO = 0.5  # median loss over that of random labels, above which labels cannot be scored yet
MAX_SCORE = 1.5  # scores are clipped, so that one observation cannot outweigh all others
SCORE_THRESHOLD = 0.65  # mean score of a label error, after many observations
SINGLE_OBSERVATION_MARGIN = 0.1  # added to the threshold, divided by the number of observations
CLEAN_SCORE = 0.2  # typical score of a clean label
MAX_QUARANTINED_SHARE = 0.5  # of a domain: if more labels seem wrong, the labels are not the cause


def label_error_scores(losses: Floats, random_losses: Floats) -> Floats:
    """Score labels: about 0 if the label was learned, 1 if it fits no better than another utterance's.

    Args:
        losses: CTC loss per token of a domain's utterances since the last update; NaN if unknown.
        random_losses: the same against the texts of other utterances.

    Returns:
        Label-error scores; all NaN while the model cannot tell clean labels from random ones.
    """
    known, random = losses[np.isfinite(losses)], random_losses[np.isfinite(random_losses)]
    if not len(known) or not len(random) or np.median(known) > MAX_LOSS_RATIO * np.median(random):
        return np.full(len(losses), np.nan, np.float32)
    return np.asarray(np.clip(losses / np.median(random), 0, MAX_SCORE), dtype=np.float32)


def find_label_errors(score: npt.NDArray[np.float16], observations: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which utterances of a domain have too high a mean label-error score for their number of observations."""
    observed = np.flatnonzero(observations)
    suspected = observed[score[observed] > _threshold(observations[observed])]
    max_count = int(MAX_QUARANTINED_SHARE * len(score))
    if len(suspected) > max_count:
        suspected = suspected[np.argsort(-score[suspected], kind="stable")[:max_count]]
    label_errors = np.zeros(len(score), dtype=np.bool_)
    label_errors[suspected] = True
    return label_errors


def is_clearable(score: npt.NDArray[np.float16], observations: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which label errors one more observation, with a clean label's score, would clear."""
    count = observations.astype(np.float32) + 1
    return np.asarray((score * (count - 1) + CLEAN_SCORE) / count <= _threshold(count))


def _threshold(observations: npt.NDArray[Any]) -> Floats:
    """Return the mean score above which a label error is suspected, given the number of observations."""
    return np.asarray(SCORE_THRESHOLD + SINGLE_OBSERVATION_MARGIN / observations, dtype=np.float32)
