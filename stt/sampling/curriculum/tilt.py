"""The maximum-entropy tilt: of all distributions with a given mean CER, the one closest to uniform.

Utterances are sampled in proportion to exp(-beta * cer), mixed with a uniform share. beta > 0 is easier than
uniform, beta < 0 harder; it is found by bisection on a histogram of the CERs, and bounded so that
the distribution is never dominated by a few utterances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats

BINS = 256
MAX_BETA = 30.0  # the bound on the effective sample size is usually reached first
UNIFORM_SHARE = 0.2  # of all samples, whatever the CER, so that no utterance is dropped
# Effective sample size, 1 / sum p^2, as a share of the domain. The further sampling was from uniform, the
# slower clean digits in noise were learned (docs/curriculum.md); label errors are left to the quarantine.
MIN_EFFECTIVE_SHARE = 0.8
DEFICIT_JITTER = 0.5  # of the deficits, so that the same utterances are not always sampled together

Histogram = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def histogram(cers: Floats) -> Histogram:
    """Count CERs in equal bins over 0..1; return mean CER and count of each non-empty bin."""
    bins = np.minimum((cers * BINS).astype(np.int16), BINS - 1)
    counts = np.bincount(bins, minlength=BINS).astype(np.float64)
    sums = np.bincount(bins, weights=cers, minlength=BINS)
    filled = counts > 0
    return sums[filled] / counts[filled], counts[filled]


def tilted_mean(binned: Histogram, beta: float) -> float:
    """Return the mean CER of sampling tilted by beta."""
    centers, counts = binned
    weights = counts * _frequencies(binned, centers, beta)
    return float((centers * weights).sum() / weights.sum())


def effective_share(binned: Histogram, beta: float) -> float:
    """Return the effective sample size, 1 / sum p^2, over the number of utterances."""
    centers, counts = binned
    frequencies = _frequencies(binned, centers, beta)
    return float((counts * frequencies).sum() ** 2 / (counts * frequencies**2).sum() / counts.sum())


def solve_beta(binned: Histogram, target: float) -> float:
    """Return the beta whose mean CER is the target; 0 if no tilt is easy enough, the bound if none is hard enough.

    Where the target is out of reach, easier utterances teach less and gain nothing (docs/curriculum.md).
    """
    low, high = _bound(binned, -MAX_BETA), _bound(binned, MAX_BETA)
    if tilted_mean(binned, high) > target:
        return 0.0
    if tilted_mean(binned, low) <= target:
        return low
    for _ in range(40):  # the mean falls as beta rises
        middle = (low + high) / 2
        low, high = (middle, high) if tilted_mean(binned, middle) > target else (low, middle)
    return (low + high) / 2


def relative_frequencies(cers: Floats, binned: Histogram, beta: float) -> Floats:
    """Return how often each utterance is sampled, over the mean of all (row,): above 1 if the tilt favors it."""
    return np.asarray(_frequencies(binned, cers, beta), dtype=np.float32)


def largest_deficits(deficits: Floats, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the indices of the `count` utterances with the largest deficits, each at most once.

    Args:
        deficits: they grow by an utterance's frequency and fall by one when it is sampled, so that utterances are
            sampled in passes over the data, as in uniform sampling, instead of at random.
        count: number of utterances.
        rng: breaks near-ties.
    """
    if count >= len(deficits):
        return np.arange(len(deficits))
    keys = rng.random(len(deficits), dtype=np.float32)
    keys *= -DEFICIT_JITTER
    keys -= deficits
    return np.argpartition(keys, count)[:count]


def _frequencies(binned: Histogram, cers: npt.NDArray[np.floating[Any]], beta: float) -> npt.NDArray[np.floating[Any]]:
    centers, counts = binned
    top = (-beta * centers).max()
    mean = (counts * np.exp(-beta * centers - top)).sum() / counts.sum()
    tilted = np.exp(-beta * cers - cers.dtype.type(top)) / cers.dtype.type(mean)
    return np.asarray(UNIFORM_SHARE + (1 - UNIFORM_SHARE) * tilted)


def _bound(binned: Histogram, limit: float) -> float:
    """Return the largest beta of this sign with a sufficient effective sample size."""
    if effective_share(binned, limit) >= MIN_EFFECTIVE_SHARE:
        return limit
    near, far = 0.0, limit
    for _ in range(30):
        middle = (near + far) / 2
        near, far = (middle, far) if effective_share(binned, middle) >= MIN_EFFECTIVE_SHARE else (near, middle)
    return near
