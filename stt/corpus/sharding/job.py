"""A step that runs on a manifest: what identifies it, and its work folder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from stt.corpus.manifest import Manifest
from stt.corpus.provenance import Input, Step, count_domains, read_step
from stt.corpus.report import Report
from stt.errors import InputError
from stt.files import locked

log = logging.getLogger(__name__)
KEY_LETTERS = 16  # of a key, in the name of a work folder


@dataclass(frozen=True)
class Job:
    """A step with its options, the manifest that it reads and the one that it writes.

    Attributes:
        name: of the step.
        version: of the step; to be raised when its results change.
        options: that the result depends on, as JSON has them.
        manifest: what is read.
        result: the manifest that is written.
        beside: the file or folder beside which the work folder lies, if not the result.
        afterwards: names of the options that count when all shards are done, so that no shard depends on them.
    """

    name: str
    version: int
    options: Mapping[str, Any]
    manifest: Manifest
    result: Path
    beside: Path | None = None
    afterwards: Collection[str] = ()

    @property
    def key(self) -> str:
        """SHA-256 over all that the result depends on: the step, its version and options, and its input's content."""
        return self._keys[0]

    @property
    def work_folder(self) -> Path:
        """The folder for what is not finished; its name has the key without the options for afterwards."""
        target = (self.beside or self.result).absolute()  # a process may be in another folder
        return target.parent / f".{target.name}.work-{self._keys[1][:KEY_LETTERS]}"

    @cached_property
    def _keys(self) -> tuple[str, str]:
        early = {name: value for name, value in self.options.items() if name not in self.afterwards}
        starts = (json.dumps([self.name, self.version, one], sort_keys=True) for one in (self.options, early))
        digests = [hashlib.sha256(start.encode()) for start in starts]
        for part in self._input():
            for digest in digests:
                digest.update(part)
        return digests[0].hexdigest(), digests[1].hexdigest()

    def _input(self) -> Iterator[bytes | memoryview]:
        """Yield what identifies the content of the input."""
        for path in self.manifest.files:
            yield os.fsencode(path.resolve().parent) + b"\0"  # audio is relative to it
            with path.open("rb") as file:
                yield hashlib.file_digest(file, "sha256").digest()
        yield self.manifest.fingerprint.encode()  # of rows that were chosen from the files
        yield self.manifest.durations.data

    def finished(self) -> bool:
        """Return whether the result is there: a step that was killed after its last write is not done again."""
        if not self.result.is_file():
            return False
        try:
            step = read_step(self.result)
        except InputError:  # anything may have this name, and is replaced or refused like any other file
            return False
        if step is None or step.key != self.key:
            return False
        shutil.rmtree(self.work_folder, ignore_errors=True)
        return True

    def check_unused(self, *others: Path) -> None:
        """Check that nothing of another command would be replaced: the result, or other files beside it.

        Others are there while there is a work folder only if a command that shares it was killed between its last
        writes: this one must write them again, or delete those that it does not write.

        Raises:
            InputError: one exists, and not for that reason.
        """
        for path in (self.result, *others):
            own = path != self.result and self.work_folder.is_dir()
            if path.exists() and not own:
                raise InputError(f"--out {self.result}: {path} exists already, choose another name or delete it")

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield the work folder `.NAME.work-KEY` beside the result; it is removed if the block succeeds.

        Raises:
            InputError: another process works in it, or the file system has no locks.
        """
        folder = self.work_folder
        for other in sorted(folder.parent.glob(folder.name[:-KEY_LETTERS] + "*")):
            if other != folder:
                log.warning("%s is of an unfinished command with another input or options; it may be deleted", other)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock", f"{self.result}: another process is working on it already, in {folder}"):
            yield folder
        shutil.rmtree(folder)

    def step(self, table: pa.Table, report: Report, notes: Mapping[str, Any] | None = None) -> Step:
        """Return the record of this step, whose result is `table` and in which the rows of `report` are missing."""
        return Step(
            self.name,
            self.version,
            self.options,
            rows_in=count_domains(self.manifest.table),
            rows_out=count_domains(table),
            inputs=inputs_of(self.manifest),
            skipped=report.skipped,
            notes=notes or {},
            key=self.key,
        )


def inputs_of(manifest: Manifest) -> tuple[Input, ...]:
    """Return the files that a manifest was read from, each with the fingerprint of its rows and its steps."""
    starts = [first for first, _ in manifest.parts] or [0]
    stops = [*starts[1:], len(manifest)]
    parts = [manifest.slice(start, stop) for start, stop in zip(starts, stops, strict=True)]
    found = zip(manifest.files, parts, strict=True)
    return tuple(Input(path.name, part.fingerprint, read_step(path)) for path, part in found if len(part))
