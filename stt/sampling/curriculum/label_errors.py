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
HIGHEST = 1.5  # doubts are cut here, so that one look cannot outweigh all others
THRESHOLD = 0.65  # mean doubt of a suspect that was looked at often
SINGLE_LOOK = 0.1  # what a single look needs more, two looks half of it, and so on
RIGHT = 0.2  # doubt of a right label, at most times
MOST = 0.5  # share of a domain that can be suspected: if more seems wrong, it is not the labels


def doubts(losses: Floats, random_losses: Floats) -> Floats:
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


def find_suspects(doubt: npt.NDArray[np.float16], looks: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Tell which utterances of a domain are suspects, by their mean doubt and the looks that went into it."""
    looked = np.flatnonzero(looks)
    found = looked[doubt[looked] > _threshold(looks[looked])]
    most = int(MOST * len(doubt))
    if len(found) > most:
        found = found[np.argsort(-doubt[found], kind="stable")[:most]]
    suspects = np.zeros(len(doubt), dtype=np.bool_)
    suspects[found] = True
    return suspects


def could_be_cleared(doubt: npt.NDArray[np.float16], looks: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Tell of which suspects one more look, with the doubt of a right label, would take the suspicion."""
    more = looks.astype(np.float32) + 1
    return np.asarray((doubt * (more - 1) + RIGHT) / more <= _threshold(more))


def _threshold(looks: npt.NDArray[Any]) -> Floats:
    """Mean doubt over which an utterance is a suspect, after so many looks."""
    return np.asarray(THRESHOLD + SINGLE_LOOK / looks, dtype=np.float32)
