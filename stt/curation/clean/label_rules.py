"""Rules by what a recognizer hears: label errors, the CER, and what a training has suspected."""

from __future__ import annotations

import numpy as np

from stt.curation.clean.evidence import Evidence, Finding, Floats, at_most
from stt.sampling.curriculum.label_errors import MAX_MEDIAN_CER, label_error_scores
from stt.sampling.observations import Observations, Rows

# Characters that are added to each text's when errors are divided by them. A training observes a label several times,
# cleaning once, and a single word that is not recognized, such as "two", would have a CER above 1 (docs/cleaning.md).
SHRINKAGE = 4
MAX_ROUNDS = 20  # of finding the mean CER of the labels that are not suspected


def label_error(evidence: Evidence) -> Finding | None:
    """Find labels that fit no better than another utterance's: `stt.sampling.curriculum.label_errors`."""
    cers = evidence.figure("cer")
    if np.isnan(cers).all():
        return None
    scores, lacking = np.full(len(evidence), np.nan, np.float32), []
    for domain, rows in zip(evidence.manifest.domains, evidence.manifest.rows_by_domain(~np.isnan(cers)), strict=True):
        scores[rows] = _scores(evidence, rows)
        if len(rows) and np.isnan(scores[rows]).all():
            lacking.append(f"{domain} (median CER {np.median(cers[rows]):.2f})")
    words = f"not judged, as the recognizer hears too little (a median CER above {MAX_MEDIAN_CER:g}): "
    return at_most(
        scores, evidence.limits.max_label_score, "label-error score", words + ", ".join(lacking) if lacking else ""
    )


def cer(evidence: Evidence) -> Finding | None:
    """Find labels that differ too much from what is heard, or was heard before: the manifest's `cer`."""
    limit = evidence.limits.max_cer
    return None if limit is None else at_most(known_cers(evidence), limit, "CER")


def known_cers(evidence: Evidence) -> Floats:
    """Return the CER of every row (row,): measured now, else that of the manifest, else NaN."""
    measured, before = evidence.figure("cer"), evidence.manifest.table["cer"].to_numpy()
    return np.where(np.isnan(measured), before, measured)


def suspected(evidence: Evidence) -> Finding | None:
    """Find labels that the curriculum of a training suspects."""
    found = evidence.suspects
    if found is None:
        return None
    figures, limits = np.full((2, len(evidence)), np.nan, np.float32)
    figures[found.rows], limits[found.rows] = found.scores, found.limits
    return Finding(figures > limits, figures, limits, "label-error score in training")


def _scores(evidence: Evidence, rows: Rows) -> Floats:
    """Return the label-error scores of the rows of one domain (n,), NaN where they are unknown."""
    cers, losses, others = (evidence.figure(name)[rows] for name in ("cer", "loss", "other_loss"))
    characters = evidence.manifest.text_lengths()[rows]
    cers = cers * characters / (characters + SHRINKAGE)
    observed = Observations(rows, np.column_stack([cers, losses, others, np.ones(len(rows))]).astype(np.float32))
    trusted = np.ones(len(rows), np.bool_)
    scores = np.full(len(rows), np.nan, np.float32)
    for _ in range(MAX_ROUNDS):  # the mean of trusted labels needs scores, and scores need the mean
        mean = float(np.minimum(cers[trusted], 1).mean()) if trusted.any() else 0.0
        scores = label_error_scores(observed, mean)
        before, trusted = trusted, ~(scores > evidence.limits.max_label_score)
        if (before == trusted).all():
            break
    return scores
