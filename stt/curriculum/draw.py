"""Which utterances a round trains on: every domain with its share, each utterance once a pass."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


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


def counts_per_round(
    durations: npt.NDArray[np.float32],
    rows_by_domain: list[Rows],
    shares: npt.NDArray[np.float64],
    seconds: float,
) -> list[int]:
    """Utterances that each domain gives to a round of so many audio seconds, at least one where its share is not 0."""
    present = [share if len(rows) else 0.0 for share, rows in zip(shares, rows_by_domain, strict=True)]
    means = [float(durations[rows].mean()) if len(rows) else 0.0 for rows in rows_by_domain]
    mean = sum(share * duration for share, duration in zip(present, means, strict=True)) / sum(present)
    total = seconds / mean / sum(present)
    return [max(1, round(total * share)) if share else 0 for share in present]


def uniform_draw(rows_by_domain: list[Rows], counts: list[int], seed: int, round_index: int) -> Rows:
    """Draw `counts[d]` rows from each domain, going through a domain without repetition before starting anew.

    The result depends on the arguments alone: round r takes the places r * count .. (r + 1) * count
    of an endless stream of shuffles, so nothing has to be remembered between rounds.
    """
    drawn = [
        _stretch(rows, round_index * count, count, (seed, domain))
        for domain, (rows, count) in enumerate(zip(rows_by_domain, counts, strict=True))
        if count
    ]
    return np.concatenate(drawn)


def _stretch(rows: Rows, start: int, count: int, seed: tuple[int, int]) -> Rows:
    parts = []
    while count > 0:
        shuffle, place = divmod(start, len(rows))
        order = np.random.default_rng((*seed, shuffle)).permutation(len(rows))
        part = rows[order[place : place + count]]
        parts.append(part)
        start += len(part)
        count -= len(part)
    return np.concatenate(parts)
