"""Rules about duplicates: they judge what all others keep, so that of two copies a good one stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.curation.clean.evidence import Evidence, Finding, Mask, at_most
from stt.sampling.observations import Rows


def same_audio(evidence: Evidence, kept: Mask) -> Finding:
    """Find further copies of the same samples, whatever file they are in; the first rows stay."""
    digests = evidence.figures["digest"].combine_chunks().dictionary_encode()
    groups = digests.indices.fill_null(-1).to_numpy().astype(np.int64)
    rows = np.flatnonzero(kept & (groups >= 0))
    return _repeated(evidence, rows, [groups[rows]], rows, evidence.limits.max_same_audio, "utterances with this audio")


def same_text(evidence: Evidence, kept: Mask) -> Finding | None:
    """Find texts that a domain has too often; which of them stay is random, and follows from their ids alone."""
    limit = evidence.limits.max_same_text
    if limit is None:
        return None
    manifest = evidence.manifest
    rows = np.flatnonzero(kept)
    groups = [manifest.domain_index[rows].astype(np.int64), manifest.text_hashes[rows]]
    return _repeated(evidence, rows, groups, manifest.keys[rows], limit, "utterances of the domain with this text")


def _repeated(
    evidence: Evidence, rows: Rows, groups: list[Rows], order: npt.NDArray[np.int64], limit: int, words: str
) -> Finding:
    """Find rows beyond the first `limit`, by `order` (n,), that share the values of all `groups` (n,)."""
    figures, broken = np.full(len(evidence), np.nan), np.zeros(len(evidence), np.bool_)
    if len(rows):
        sorted_places = np.lexsort([order, *groups])
        new = np.zeros(len(rows), np.bool_)
        new[0] = True
        for values in groups:
            ranked = values[sorted_places]
            new[1:] |= ranked[1:] != ranked[:-1]
        starts = np.flatnonzero(new)
        group = np.cumsum(new) - 1
        ranks = np.arange(len(rows)) - starts[group]
        counts = np.diff(np.append(starts, len(rows)))[group]
        figures[rows[sorted_places]] = counts
        broken[rows[sorted_places[ranks >= limit]]] = True
    found = at_most(figures, limit, words)
    return Finding(broken, found.figures, found.limits, words)
