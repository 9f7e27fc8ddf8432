"""Merging manifests into one file."""

from __future__ import annotations

from pathlib import Path

from stt.corpus.addresses import moved_rows
from stt.corpus.manifest import Manifest, write_manifest
from stt.corpus.provenance import Step, count_domains
from stt.corpus.sharding.job import inputs_of

VERSION = 1


def merge_manifest(manifest: Manifest, out: Path) -> Step:
    """Write the rows of all files that a manifest was read from to one file, and return the record of it.

    Columns are united and ids are unique, because `read_manifests` sees to both; audio is addressed from the new
    folder.
    """
    table = moved_rows(manifest, out.parent)
    rows = count_domains(table)
    step = Step("merge", VERSION, {}, rows, rows, inputs_of(manifest))
    write_manifest(table, out, manifest.normalizer, step)
    return step
