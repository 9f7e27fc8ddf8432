"""Suspected label errors: utterances whose label is as unlikely to the model as that of another utterance.

Two signs, each 0 for a label that was learned and 1 for a text that was never spoken. The loss, compared with that of
the same audio against the text of another utterance: it tells wrong texts from hard audio, whose loss is higher than
that of easy audio, but far lower than for another text. And the CER, compared with the domain's: it finds texts that
lack a part of what is spoken, which networks soon learn to expect, so that their loss is low. A CER is coarse for short
utterances, so only the mean over several observations counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats, Observations

MAX_MEDIAN_CER = 0.3  # of a domain's observations: a network that recognizes less cannot judge labels
MAX_SCORE = 1.5  # scores are clipped, so that one observation cannot outweigh all others
SCORE_THRESHOLD = 0.65  # mean score of a label error, after many observations
SINGLE_OBSERVATION_MARGIN = 0.1  # added to the threshold, divided by the number of observations
CLEAN_SCORE = 0.2  # typical score of a clean label
MAX_QUARANTINED_SHARE = 0.5  # of a domain: if more labels seem wrong, the labels are not the cause


def label_error_scores(observed: Observations, mean_cer: float) -> Floats:
    """Score labels: about 0 if the label was learned, 1 if it fits no better than another utterance's.

    Args:
        observed: observations of one domain since the last update.
        mean_cer: mean CER of the domain's trusted utterances.

    Returns:
        Label-error scores, NaN where the losses are unknown; all NaN while the network recognizes too little.
    """
    losses, random = observed.losses, observed.random_losses[np.isfinite(observed.random_losses)]
    if not len(random) or np.median(observed.cers) > MAX_MEDIAN_CER:
        return np.full(len(losses), np.nan, np.float32)
    by_loss = np.clip(losses / np.median(random), 0, MAX_SCORE)
    by_cer = (np.minimum(observed.cers, 1) - mean_cer) / max(1 - mean_cer, 1e-6)
    return np.asarray(np.maximum(by_loss, by_cer), dtype=np.float32)


def find_label_errors(score: npt.NDArray[np.float16], observations: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which utterances of a domain have too high a mean label-error score for their number of observations."""
    observed = np.flatnonzero(observations)
    suspected = observed[score[observed] > score_threshold(observations[observed])]
    max_count = int(MAX_QUARANTINED_SHARE * len(score))
    if len(suspected) > max_count:
        suspected = suspected[np.argsort(-score[suspected], kind="stable")[:max_count]]
    label_errors = np.zeros(len(score), dtype=np.bool_)
    label_errors[suspected] = True
    return label_errors


def is_clearable(score: npt.NDArray[np.float16], observations: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which label errors one more observation, with a clean label's score, would clear."""
    count = observations.astype(np.float32) + 1
    return np.asarray((score * (count - 1) + CLEAN_SCORE) / count <= score_threshold(count))


def score_threshold(observations: npt.NDArray[Any]) -> Floats:
    """Return the mean score above which a label error is suspected, given the number of observations."""
    return np.asarray(SCORE_THRESHOLD + SINGLE_OBSERVATION_MARGIN / observations, dtype=np.float32)
