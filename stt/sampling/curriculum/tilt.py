"""The maximum-entropy tilt: of all distributions whose mean CER is a target, the one nearest to uniform.

An utterance comes as often as exp(-beta * c) says, next to a share for all. beta > 0 is easier than
uniform, beta < 0 harder; it is found by bisection on a histogram of the CERs, and bounded so that
the distribution never rests on a few utterances.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stt.sampling.observations import Floats

BINS = 256
STEEPEST = 30.0  # bound of beta; the effective number of utterances usually binds before it
UNIFORM_SHARE = 0.2  # of all draws, whatever the CER, so that every utterance comes again
# Effective number of utterances, 1 / sum p^2, as a share of the domain. The further a draw is from uniform, the
# slower clean digits in noise were learned (docs/curriculum.md); label errors are left to the quarantine.
LEAST_EFFECTIVE = 0.8
JITTER = 0.5  # of the deficits, so that the same utterances do not always come together

Histogram = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def histogram(cers: Floats) -> Histogram:
    """Count CERs in 0..1 in equal bins; gives the bins' mean CERs and counts, empty bins left out."""
    bins = np.minimum((cers * BINS).astype(np.int16), BINS - 1)
    counts = np.bincount(bins, minlength=BINS).astype(np.float64)
    sums = np.bincount(bins, weights=cers, minlength=BINS)
    filled = counts > 0
    return sums[filled] / counts[filled], counts[filled]


def tilted_mean(binned: Histogram, beta: float) -> float:
    """Mean CER of a draw tilted by beta."""
    centres, counts = binned
    weights = counts * _frequencies(binned, centres, beta)
    return float((centres * weights).sum() / weights.sum())


def effective_share(binned: Histogram, beta: float) -> float:
    """Effective number of utterances, 1 / sum p^2, over their number."""
    centres, counts = binned
    frequencies = _frequencies(binned, centres, beta)
    return float((counts * frequencies).sum() ** 2 / (counts * frequencies**2).sum() / counts.sum())


def solve_beta(binned: Histogram, target: float) -> float:
    """Find the beta whose draw has the target as its mean CER, or the bound that comes nearest."""
    low, high = _bound(binned, -STEEPEST), _bound(binned, STEEPEST)
    if tilted_mean(binned, high) >= target:
        return high
    if tilted_mean(binned, low) <= target:
        return low
    for _ in range(40):  # the mean falls as beta rises
        middle = (low + high) / 2
        low, high = (middle, high) if tilted_mean(binned, middle) > target else (low, middle)
    return (low + high) / 2


def frequencies(cers: Floats, binned: Histogram, beta: float) -> Floats:
    """How often each utterance comes, over the mean of all (row,): more than 1 for what is favoured."""
    found = _frequencies(binned, cers, beta)
    return np.asarray(found, dtype=np.float32)


def draw(deficits: Floats, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Sample the indices of the `count` utterances with the largest deficits, none twice.

    Args:
        deficits: they grow by an utterance's frequency and fall by one when it is sampled, so that utterances come in
            passes over the data, as in uniform sampling, and not by chance.
        count: how many.
        rng: decides where deficits are alike.
    """
    if count >= len(deficits):
        return np.arange(len(deficits))
    keys = rng.random(len(deficits), dtype=np.float32)
    keys *= -JITTER
    keys -= deficits
    return np.argpartition(keys, count)[:count]


def _frequencies(binned: Histogram, cers: npt.NDArray[np.floating[Any]], beta: float) -> npt.NDArray[np.floating[Any]]:
    centres, counts = binned
    top = (-beta * centres).max()
    mean = (counts * np.exp(-beta * centres - top)).sum() / counts.sum()
    tilted = np.exp(-beta * cers - cers.dtype.type(top)) / cers.dtype.type(mean)
    return np.asarray(UNIFORM_SHARE + (1 - UNIFORM_SHARE) * tilted)


def _bound(binned: Histogram, steepest: float) -> float:
    """Largest beta of this sign whose draw still has enough effective utterances."""
    if effective_share(binned, steepest) >= LEAST_EFFECTIVE:
        return steepest
    near, far = 0.0, steepest
    for _ in range(30):
        middle = (near + far) / 2
        near, far = (middle, far) if effective_share(binned, middle) >= LEAST_EFFECTIVE else (near, middle)
    return near
