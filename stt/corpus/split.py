"""Splitting a corpus into training, validation and test sets."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stt.corpus.manifest import Manifest, write_manifest
from stt.corpus.provenance import Step, count_domains
from stt.corpus.sharding.job import inputs_of
from stt.errors import InputError

log = logging.getLogger(__name__)
VERSION = 2  # 1 refused a domain of which the hash left a split nothing
SPLITS = ("train", "validate", "test")


def split_manifest(manifest: Manifest, share: float) -> dict[str, Path]:
    """Write NAME.train, NAME.validate and NAME.test.parquet next to a manifest and return their paths.

    Utterances are assigned by a hash of their speaker, or of their text if the speaker is unknown: no
    speaker (or sentence) is in two splits, and rows added later do not move existing ones. Where that leaves a
    domain without utterances in a split, one of its speakers is moved there, and a warning names it.

    Args:
        manifest: the manifest to split.
        share: of the speakers or sentences, for validation and for test each.

    Raises:
        InputError: the share is not between 0 and 0.4, or a domain has too few speakers or sentences.
    """
    check_share(share)
    groups = np.array([_group(manifest, row) for row in range(len(manifest))], dtype=object)
    values = np.array([_uniform_hash(group) for group in groups])
    assigned = np.select([values < share, values < 2 * share], ["test", "validate"], "train")
    for domain, rows in zip(manifest.domains, manifest.rows_by_domain(), strict=True):
        for split in SPLITS:
            if split not in assigned[rows]:
                group = _spare_group(manifest, groups, assigned, domain, rows)
                log.warning(
                    "%s: %r is taken for the %s split, which had nothing of domain %s",
                    manifest.path,
                    group,
                    split,
                    domain,
                )
                assigned[groups == group] = split
    paths = {split: manifest.path.with_suffix(f".{split}.parquet") for split in SPLITS}
    before, inputs = count_domains(manifest.table), inputs_of(manifest)
    for split, path in paths.items():
        table = manifest.table.filter(pa.array(assigned == split))
        step = Step("hold out", VERSION, {"share": share, "split": split}, before, count_domains(table), inputs)
        write_manifest(table, path, manifest.normalizer, step)
    return paths


def check_share(share: float) -> None:
    """Check the share to hold out.

    Raises:
        InputError: it is not between 0 and 0.4.
    """
    if not 0 < share < 0.4:
        raise InputError(f"the share to hold out must be between 0 and 0.4, not {share:g}")


def _group(manifest: Manifest, row: int) -> str:
    return str(manifest.value(row, "speaker") or manifest.text(row))


def _uniform_hash(group: str) -> float:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:6], "big") / 2**48


def _spare_group(
    manifest: Manifest,
    groups: npt.NDArray[np.object_],
    assigned: npt.NDArray[np.str_],
    domain: str,
    rows: npt.NDArray[np.int64],
) -> str:
    """Return a speaker or sentence of a domain whose split has another one of each of its domains.

    Raises:
        InputError: there is none.
    """
    names = sorted(set(groups[rows]), key=_uniform_hash)
    for name in names:
        own = groups == name
        others = ~own & (assigned == assigned[own.argmax()])
        if np.isin(manifest.domain_index[own], manifest.domain_index[others]).all():
            return str(name)
    raise InputError(
        f"{manifest.path}: domain {domain} cannot be split into {', '.join(SPLITS)}: it has {len(names)} speakers "
        "(sentences, where the speaker is unknown); import it without the column speaker, or a table for each split"
    )
