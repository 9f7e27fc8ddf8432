"""Synthetic corpora and observations for the tests of the samplers."""

from __future__ import annotations

import numpy as np

from stt.sampling import Utterances
from stt.sampling.observations import Observations


def corpus(sizes: dict[str, int], seed: int = 0, key: int = 0) -> Utterances:
    """Create domains of these sizes, with durations of 0.5 to 20 s and keys that are unique by domain."""
    rng = np.random.default_rng(seed)
    domain = np.repeat(np.arange(len(sizes), dtype=np.int32), list(sizes.values()))
    keys = [1_000_000 * (key + 1) + 10_000 * ord(name[0]) + np.arange(size) for name, size in sizes.items()]
    return Utterances(
        domains=list(sizes),
        domain=domain,
        durations=rng.lognormal(1.2, 0.5, len(domain)).clip(0.5, 20).astype(np.float32),
        difficulty=np.full(len(domain), np.nan, np.float32),
        keys=np.concatenate(keys),
        texts=np.zeros(len(domain), np.int32),
        rows_by_domain=[np.flatnonzero(domain == i) for i in range(len(sizes))],
        name="corpus.parquet",
    )


def make_observations(rows: np.ndarray, cers: np.ndarray, label_error_score: float = 0.0) -> Observations:
    """Create observations of a batch: CERs, and losses that give this label-error score."""
    count = len(rows)
    values = np.stack([cers, np.full(count, 5 * label_error_score), np.full(count, 5.0), np.ones(count)], axis=1)
    return Observations(rows, values.astype(np.float32), {int(row): f"text {row}" for row in rows})


def count_batch_mates(batches: list[np.ndarray]) -> int:
    """Count the distinct batch mates of each utterance, summed over utterances."""
    met: dict[int, set[int]] = {}
    for rows in batches:
        for row in rows.tolist():
            met.setdefault(row, set()).update(rows.tolist())
    return sum(map(len, met.values()))
