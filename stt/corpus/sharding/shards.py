"""Shards of a manifest: rows from one edge to the next, each worked on once, whose result is a file."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from stt.corpus.columns import concat_tables
from stt.corpus.manifest import Manifest
from stt.corpus.report import Report
from stt.corpus.sharding.engine import Engine, result_of, submit, use_one_thread
from stt.errors import InputError, reason
from stt.files import atomic_write
from stt.progress import track_seconds

log = logging.getLogger(__name__)
BAD_KEY = b"stt.bad"
MAX_ROWS = 20_000  # of a shard: what a process holds at once


class BadRow(NamedTuple):
    """A row that cannot be used."""

    where: str
    kind: str
    reason: str


class Part(NamedTuple):
    """The result of a shard: rows of the new manifest, and those that are not in it because they are bad."""

    table: pa.Table
    bad: Sequence[BadRow] = ()


Work = Callable[[Manifest, str], Part]  # rows, and the name of the shard; it must be picklable


def edges_by_seconds(manifest: Manifest, seconds: float, max_rows: int = MAX_ROWS) -> list[int]:
    """Return the edges (row) of shards with about so many seconds of audio each."""
    before = np.cumsum(manifest.durations, dtype=np.float64) - manifest.durations
    starts = np.flatnonzero(np.diff(np.floor(before / seconds), prepend=-1))
    edges: list[int] = []
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(manifest)], strict=True):
        edges += range(start, stop, max_rows)
    return [*edges, len(manifest)]


def run_shards(
    manifest: Manifest, work: Work, edges: Sequence[int], folder: Path, engine: Engine, skip_bad: bool, description: str
) -> tuple[pa.Table, Report]:
    """Work on all shards that are not done yet, and return the rows of all and the bad ones.

    A shard's result is a Parquet file in `folder`, written atomically; a shard whose file is there is not done again.

    Args:
        manifest: the rows.
        work: what is done with those of a shard, in another process.
        edges: first row of each shard, and the number of rows.
        folder: for the results.
        engine: who does the work.
        skip_bad: whether bad rows are allowed.
        description: of the progress bar.

    Raises:
        InputError: a shard failed, a worker died, or there are bad rows; the other shards are kept.
    """
    for leftover in folder.glob(".*"):
        leftover.unlink()  # what was being written when an earlier attempt was killed
    shards = list(enumerate(pairwise(edges)))
    paths = [folder / f"{number:06d}.parquet" for number, _ in shards]
    missing = [(number, rows) for number, rows in shards if not paths[number].is_file()]
    if len(missing) < len(shards):
        log.warning(
            "%d of %d shards are there already, from an earlier attempt", len(shards) - len(missing), len(shards)
        )
    seconds = [float(manifest.durations[start:stop].sum(dtype=np.float64)) for _, (start, stop) in missing]
    begin = time.monotonic()
    with track_seconds(description, math.ceil(sum(seconds))) as advance:
        tasks = (_Task(work, manifest.slice(*rows).to_bytes(), paths[number]) for number, rows in missing)
        if missing:
            with engine.executor() as (executor, slots):
                for number in _each(executor, slots, tasks):
                    advance(seconds[number])
    if missing:
        hours, took = sum(seconds) / 3600, time.monotonic() - begin
        speed = 3600 * hours / took
        log.warning("%s: %.2f h of audio in %.0f s, %.0f hours of audio per hour", description, hours, took, speed)
    return _collect(paths, keep_bad=skip_bad)


@dataclass(frozen=True)
class _Task:
    work: Work
    rows: bytes
    path: Path


def _each(executor: Executor, slots: int, tasks: Iterator[_Task]) -> Iterator[int]:
    """Run tasks and yield the number of each when it is done; few are handed over at once, for their memory."""
    pending: dict[Future[None], tuple[int, Path]] = {}
    exhausted = False
    number = 0
    try:
        while pending or not exhausted:
            while not exhausted and len(pending) < slots + 2:
                task = next(tasks, None)
                exhausted = task is None
                if task is not None:
                    pending[submit(executor, _run, task)] = number, task.path
                    number += 1
            for future in wait(pending, return_when=FIRST_COMPLETED).done if pending else ():
                done, path = pending.pop(future)
                try:
                    result_of(future)
                except InputError as error:
                    kept = f"finished shards are kept in {path.parent}, and the same command continues with them"
                    raise InputError(f"shard {path.stem}: {error}; {kept}") from error
                yield done
    finally:
        for future in pending:
            future.cancel()


def _run(task: _Task) -> None:
    """Work on a shard and write its result; runs in a worker."""
    use_one_thread()
    part = task.work(Manifest.from_bytes(task.rows), task.path.stem)
    bad = json.dumps([list(row) for row in part.bad]).encode()
    table = part.table.replace_schema_metadata({BAD_KEY: bad})
    with atomic_write(task.path) as temporary, pa.OSFile(os.fsencode(temporary), "wb") as file:
        pyarrow.parquet.write_table(table, file, compression="zstd")


def _collect(paths: Sequence[Path], keep_bad: bool) -> tuple[pa.Table, Report]:
    """Concatenate the results; without `keep_bad` those with bad rows are deleted, as the audio may be mended."""
    tables, report = [], Report()
    for path in paths:
        try:
            with pa.OSFile(os.fsencode(path)) as file:
                tables.append(pyarrow.parquet.read_table(file))
        except (pa.ArrowException, OSError) as error:
            path.unlink()
            raise InputError(f"{path} is damaged ({reason(error)}) and was deleted: start the command again") from error
        bad = [BadRow(*row) for row in json.loads(tables[-1].schema.metadata[BAD_KEY])]
        for row in bad:
            report.bad[row.kind].append((row.where, row.reason))
        if bad and not keep_bad:
            path.unlink()
    table, report.as_strings = concat_tables([one.replace_schema_metadata(None) for one in tables])
    report.kept = len(table)
    return table, report
