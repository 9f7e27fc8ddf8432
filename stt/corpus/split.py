"""Holding out part of a corpus for validation and test."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stt.corpus.manifest import Manifest, write_manifest
from stt.errors import InputError


def split_manifest(manifest: Manifest, share: float) -> dict[str, Path]:
    """Write NAME.train, NAME.validate and NAME.test.parquet beside a manifest; gives their paths.

    An utterance goes by the hash of its speaker, or of its text where no speaker is known: no
    speaker (or sentence) is in two splits, and rows that come later do not move the others.

    Args:
        manifest: what to split.
        share: of the speakers or sentences that validation gets, and test again.

    Raises:
        InputError: the share is not between 0 and 0.4, or a split of some domain would be empty.
    """
    if not 0 < share < 0.4:
        raise InputError(f"the share to hold out must lie between 0 and 0.4, not {share:g}")
    places = np.array([_place(_group(manifest, row)) for row in range(len(manifest))])
    masks = {"test": places < share, "validate": (places >= share) & (places < 2 * share), "train": places >= 2 * share}
    paths = {}
    for split in ("train", "validate", "test"):
        _check(manifest, split, masks[split])
        paths[split] = manifest.path.with_suffix(f".{split}.parquet")
    for split, path in paths.items():
        write_manifest(manifest.table.filter(pa.array(masks[split])), path, manifest.normalizer or "")
    return paths


def _group(manifest: Manifest, row: int) -> str:
    return str(manifest.value(row, "speaker") or manifest.text(row))


def _place(group: str) -> float:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:6], "big") / 2**48


def _check(manifest: Manifest, split: str, mask: npt.NDArray[np.bool_]) -> None:
    for domain, rows in zip(manifest.domains, manifest.rows_by_domain(mask), strict=True):
        if not len(rows):
            raise InputError(
                f"{manifest.path}: the {split} split would have nothing of the domain {domain}; "
                "hold out another share, or make the splits by hand"
            )
