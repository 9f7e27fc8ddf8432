"""The maximum-entropy tilt: of all distributions whose mean CER is a target, the one nearest to uniform.

An utterance is drawn with probability proportional to exp(-beta * c). beta > 0 is easier than
uniform, beta < 0 harder; it is found by bisection on a histogram of the CERs, and bounded so that
the distribution never rests on a few utterances.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.curriculum.ledger import Floats

BINS = 256
STEEPEST = 30.0  # bound of beta; the effective number of utterances usually binds before it
# Effective number of utterances, 1 / sum p^2, as a share of the domain. On digits in noise, a tenth was
# 20 % behind uniform sampling with clean labels: a few easy utterances came again and again.
LEAST_EFFECTIVE = 0.4

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
    weights = counts * _factors(centres, beta)
    return float((centres * weights).sum() / weights.sum())


def effective_share(binned: Histogram, beta: float) -> float:
    """Effective number of utterances, 1 / sum p^2, over their number."""
    centres, counts = binned
    factors = _factors(centres, beta)
    return float((counts * factors).sum() ** 2 / (counts * factors**2).sum() / counts.sum())


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


def draw(cers: Floats, beta: float, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw `count` places without replacement with probabilities proportional to exp(-beta * cers).

    Source of the method: the Gumbel top-k trick (Kool et al., 2019).
    """
    if count >= len(cers):
        return np.arange(len(cers))
    keys = rng.standard_exponential(len(cers), dtype=np.float32)
    np.maximum(keys, np.float32(1e-30), out=keys)
    np.log(keys, out=keys)
    keys += np.float32(beta) * cers  # minus the Gumbel key: the smallest are taken
    return np.argpartition(keys, count)[:count]


def _factors(centres: npt.NDArray[np.float64], beta: float) -> npt.NDArray[np.float64]:
    exponents = -beta * centres
    return np.asarray(np.exp(exponents - exponents.max()), dtype=np.float64)


def _bound(binned: Histogram, steepest: float) -> float:
    """Largest beta of this sign whose draw still has enough effective utterances."""
    if effective_share(binned, steepest) >= LEAST_EFFECTIVE:
        return steepest
    near, far = 0.0, steepest
    for _ in range(30):
        middle = (near + far) / 2
        near, far = (middle, far) if effective_share(binned, middle) >= LEAST_EFFECTIVE else (near, middle)
    return near
