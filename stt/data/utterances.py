"""Conversion of a training manifest to the arrays that samplers work on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stt.corpus.manifest import Manifest
from stt.sampling.base import Utterances
from stt.sampling.observations import Floats


def utterances_of(manifest: Manifest, keep: npt.NDArray[np.bool_] | None = None) -> Utterances:
    """Return the arrays of a manifest; `keep` (row,) masks the rows that can be trained on."""
    return Utterances(
        domains=manifest.domains,
        domain=manifest.domain_index,
        durations=manifest.durations,
        difficulty=difficulty(manifest),
        keys=manifest.keys,
        texts=(manifest.text_hashes & 0x7FFFFFFF).astype(np.int32),  # enough to detect a change, at half the size
        rows_by_domain=manifest.rows_by_domain(keep),
        name=str(manifest.path),
    )


def difficulty(manifest: Manifest) -> Floats:
    """Estimate the difficulty of each utterance (row,) before the first observation; comparable within a domain only.

    This is the manifest's `cer` in domains where every row has one, otherwise the square root of the speaking rate: on
    digits in noise its rank correlation with the CER was 0.08 to 0.19 within a domain, that of the duration -0.13 to
    0.09.
    """
    cer = np.asarray(manifest.table["cer"].to_numpy(), dtype=np.float32)
    incomplete = np.bincount(manifest.domain_index, weights=np.isnan(cer), minlength=len(manifest.domains)) > 0
    rate = np.sqrt(manifest.text_lengths().astype(np.float32) / manifest.durations)
    return np.where(incomplete[manifest.domain_index], rate, cer)
