"""The domains' shares of a window, and its length."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from stt.sampling.base import MAX_DOMAIN_SHARE
from stt.sampling.observations import Floats, Rows


def domain_shares(domains: list[str], weights: Mapping[str, float] | None) -> npt.NDArray[np.float64]:
    """Return the probability of each domain: equal regardless of size, or by weights.

    Source: the corpus section of (Veysov, 2020, "Towards an ImageNet Moment for Speech-to-Text").

    Args:
        domains: domain names in order.
        weights: relative weights by name; domains not listed have weight 1.

    Raises:
        ValueError: a weight is negative, its domain is unknown, or all weights are zero.
    """
    weights = weights or {}
    unknown = sorted(set(weights) - set(domains))
    if unknown:
        raise ValueError(f"weights refer to unknown domains {unknown}; known: {domains}")
    shares = np.array([weights.get(domain, 1.0) for domain in domains], dtype=np.float64)
    if (shares < 0).any() or shares.sum() <= 0:
        raise ValueError(f"domain weights must not be negative or all zero: {dict(weights)}")
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def window_counts(
    durations: Floats,
    rows_by_domain: list[Rows],
    shares: npt.NDArray[np.float64],
    step_seconds: float,
    min_steps: int,
    max_steps: int,
) -> list[int]:
    """Return the number of utterances of each domain in a window, at least one if its share is not 0.

    A window has between `min_steps` and `max_steps`, as many as possible with no more than a third of any domain's
    utterances in it. If `min_steps` is too long for that, small domains contribute more than a third, and the smallest
    all of their utterances several times.

    Args:
        durations: seconds (row,).
        rows_by_domain: trainable rows of each domain.
        shares: probability of each domain (domain,).
        step_seconds: audio seconds per step over all ranks, without padding.
        min_steps: minimum number of steps in a window.
        max_steps: maximum number of steps in a window.
    """
    nonempty = np.array([share if len(rows) else 0.0 for share, rows in zip(shares, rows_by_domain, strict=True)])
    sizes = np.array([len(rows) for rows in rows_by_domain])
    means = np.array([float(durations[rows].mean()) if len(rows) else 0.0 for rows in rows_by_domain])
    per_step = step_seconds / (nonempty @ means) * nonempty  # utterances of each domain
    used = nonempty > 0
    steps = float(np.clip((MAX_DOMAIN_SHARE * sizes[used] / per_step[used]).min(), min_steps, max_steps))
    return [max(1, round(steps * count)) if count else 0 for count in per_step.tolist()]


def oversampled_domains(counts: list[int], rows_by_domain: list[Rows]) -> list[int]:
    """Return the indices of the domains with more than a third of their utterances in a window."""
    return [i for i, rows in enumerate(rows_by_domain) if exceeds_domain_share(counts[i], len(rows))]


def exceeds_domain_share(count: int, size: int) -> bool:
    """Return whether `count` exceeds a third of a domain of this size, rounded up."""
    return count > math.ceil(MAX_DOMAIN_SHARE * size)
