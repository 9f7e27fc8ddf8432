"""How much of a window each domain gives, and how long a window is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from stt.sampling.base import MOST_SHARE
from stt.sampling.observations import Floats, Rows


def domain_shares(domains: list[str], weights: Mapping[str, float] | None) -> npt.NDArray[np.float64]:
    """Probability of each domain: equal whatever its size (the article's corpus section), or by weights.

    Args:
        domains: names in order.
        weights: relative weights by name; a domain that is not named has weight 1.

    Raises:
        ValueError: a weight is negative, names no domain, or all are zero.
    """
    weights = weights or {}
    unknown = sorted(set(weights) - set(domains))
    if unknown:
        raise ValueError(f"weights name unknown domains {unknown}; there are {domains}")
    shares = np.array([weights.get(domain, 1.0) for domain in domains], dtype=np.float64)
    if (shares < 0).any() or shares.sum() <= 0:
        raise ValueError(f"domain weights must not be negative nor all zero: {dict(weights)}")
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def window_counts(
    durations: Floats,
    rows_by_domain: list[Rows],
    shares: npt.NDArray[np.float64],
    step_seconds: float,
    shortest: int,
    longest: int,
) -> list[int]:
    """Utterances that each domain gives to a window, at least one where its share is not 0.

    A window is as long as can be while no domain gives more than a third of its utterances to it, between `shortest`
    and `longest` steps. Where that is too short, small domains give more than a third, the smallest all they have
    several times.

    Args:
        durations: seconds (row,).
        rows_by_domain: the rows of each domain that can be trained on.
        shares: probability of each domain (domain,).
        step_seconds: audio seconds that all ranks together train on in a step, without padding.
        shortest: steps of a window, at least.
        longest: steps of a window, at most.
    """
    present = np.array([share if len(rows) else 0.0 for share, rows in zip(shares, rows_by_domain, strict=True)])
    sizes = np.array([len(rows) for rows in rows_by_domain])
    means = np.array([float(durations[rows].mean()) if len(rows) else 0.0 for rows in rows_by_domain])
    in_a_step = step_seconds / (present @ means) * present  # utterances of each domain
    there = present > 0
    steps = float(np.clip((MOST_SHARE * sizes[there] / in_a_step[there]).min(), shortest, longest))
    return [max(1, round(steps * each)) if each else 0 for each in in_a_step.tolist()]


def crowded(counts: list[int], rows_by_domain: list[Rows]) -> list[int]:
    """Index of each domain that gives more than a third of its utterances to a window."""
    return [i for i, rows in enumerate(rows_by_domain) if is_crowded(counts[i], len(rows))]


def is_crowded(count: int, size: int) -> bool:
    """Tell whether `count` is more than a third of a domain of this size, rounded up."""
    return count > math.ceil(MOST_SHARE * size)
