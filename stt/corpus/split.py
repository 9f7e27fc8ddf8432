"""Splitting a corpus into training, validation and test sets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stt.corpus.manifest import Manifest, write_manifest
from stt.corpus.provenance import Step, count_domains
from stt.corpus.sharding.job import inputs_of
from stt.errors import InputError

VERSION = 1


def split_manifest(manifest: Manifest, share: float) -> dict[str, Path]:
    """Write NAME.train, NAME.validate and NAME.test.parquet next to a manifest and return their paths.

    Utterances are assigned by a hash of their speaker, or of their text if the speaker is unknown: no
    speaker (or sentence) is in two splits, and rows added later do not move existing ones.

    Args:
        manifest: the manifest to split.
        share: of the speakers or sentences, for validation and for test each.

    Raises:
        InputError: the share is not between 0 and 0.4, or a split would have no utterances of a domain.
    """
    if not 0 < share < 0.4:
        raise InputError(f"the share to hold out must be between 0 and 0.4, not {share:g}")
    values = np.array([_uniform_hash(_group(manifest, row)) for row in range(len(manifest))])
    masks = {"test": values < share, "validate": (values >= share) & (values < 2 * share), "train": values >= 2 * share}
    paths = {}
    for split in ("train", "validate", "test"):
        _check(manifest, split, masks[split])
        paths[split] = manifest.path.with_suffix(f".{split}.parquet")
    before, inputs = count_domains(manifest.table), inputs_of(manifest)
    for split, path in paths.items():
        table = manifest.table.filter(pa.array(masks[split]))
        step = Step("hold out", VERSION, {"share": share, "split": split}, before, count_domains(table), inputs)
        write_manifest(table, path, manifest.normalizer or "", step)
    return paths


def _group(manifest: Manifest, row: int) -> str:
    return str(manifest.value(row, "speaker") or manifest.text(row))


def _uniform_hash(group: str) -> float:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:6], "big") / 2**48


def _check(manifest: Manifest, split: str, mask: npt.NDArray[np.bool_]) -> None:
    for domain, rows in zip(manifest.domains, manifest.rows_by_domain(mask), strict=True):
        if not len(rows):
            raise InputError(
                f"{manifest.path}: the {split} split would have no utterances of domain {domain}; "
                "hold out a different share, or split by hand"
            )
