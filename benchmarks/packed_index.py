"""What packing does with a million rows, but for their audio: shards, their results, the manifest and its record.

A file of its own, because every worker imports it: as little as for `stt corpus pack`.

    python benchmarks/packed_index.py MANIFEST OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from stt.corpus.columns import COLUMNS
from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.corpus.sharding.engine import Engine
from stt.corpus.sharding.job import Job
from stt.corpus.sharding.shards import Part, edges_by_seconds, run_shards


def main(source: Path, out: Path) -> None:
    """Write the manifest of a packed corpus, whose tar files are missing."""
    manifest = read_manifest(source)
    job = Job("index", 1, {}, manifest, out)
    with job.folder() as work:
        edges = edges_by_seconds(manifest, 64e6 / 3600)
        table, report = run_shards(manifest, spans, edges, work / "shards", Engine(2), False, "indexing")
        write_manifest(table, job.result, manifest.normalizer, job.step(table, report))
    read_manifest(out)


def spans(rows: Manifest, name: str) -> Part:
    """Return the rows of a shard as if their audio were in a tar file."""
    starts = np.arange(len(rows)) * 10_000
    columns = {"audio": [f"{name}.tar"] * len(rows), "byte_offset": starts, "byte_length": starts * 0 + 9_000}
    table = rows.table
    for column, values in columns.items():
        table = table.set_column(table.column_names.index(column), column, pa.array(values, COLUMNS[column]))
    return Part(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
