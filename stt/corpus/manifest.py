"""The manifest: one table of utterances, kept as columns so that 16.5 million rows fit in memory."""

from __future__ import annotations

import bisect
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from stt.audio.io import AudioError, Waveform, read_audio
from stt.audio.source import AudioSource, resolve_address
from stt.corpus.columns import COLUMNS, joined, typed
from stt.corpus.ids import first_repeated, hashes, with_ids
from stt.corpus.mapped import typed_table
from stt.corpus.pages import rows_of
from stt.errors import InputError
from stt.files import atomic_write

__all__ = ["COLUMNS", "Manifest", "read_manifest", "read_manifests", "write_manifest"]

log = logging.getLogger(__name__)
NORMALIZER_KEY = b"stt.normalizer"


@dataclass(frozen=True)
class Manifest:
    """A table with the columns of a manifest and any others, and where it came from."""

    table: pa.Table
    path: Path
    parts: tuple[tuple[int, Path], ...] = ()  # first row and file of each manifest that this one was joined of

    def __len__(self) -> int:
        """Count the utterances."""
        return int(self.table.num_rows)

    @property
    def normalizer(self) -> str | None:
        """Name of the normalizer that made the texts, None where nobody said."""
        name = (self.table.schema.metadata or {}).get(NORMALIZER_KEY)
        return name.decode() if name else None

    @cached_property
    def domains(self) -> list[str]:
        """Names of the domains, sorted."""
        # A dictionary may hold names that no row has any more.
        chunks = self.table["domain"].chunks
        return sorted({chunk.dictionary[i].as_py() for chunk in chunks for i in pc.unique(chunk.indices).to_pylist()})

    @cached_property
    def domain_index(self) -> npt.NDArray[np.int32]:
        """Place of each row's domain in `domains`."""
        places = {domain: i for i, domain in enumerate(self.domains)}
        parts = []
        for chunk in self.table["domain"].chunks:
            known = np.array([places.get(name, -1) for name in chunk.dictionary.to_pylist()], np.int32)
            parts.append(known[chunk.indices.to_numpy()])
        return np.concatenate(parts)

    @cached_property
    def durations(self) -> npt.NDArray[np.float32]:
        """Duration of each row, seconds."""
        return np.asarray(self.table["duration"].to_numpy(), dtype=np.float32)

    @property
    def files(self) -> list[Path]:
        """The files that it was read from."""
        return [path for _, path in self.parts] or [self.path]

    def value(self, row: int, column: str) -> object:
        """One cell: a string, a number, or None where there is none."""
        return self.table[column][row].as_py()

    def text(self, row: int) -> str:
        """Transcript of a row."""
        return str(self.value(row, "text"))

    def where(self, row: int) -> str:
        """Name the file and the row in it (from 1), for messages."""
        first, path = self._part(row)
        return f"{path}: row {row - first + 1}"

    def audio(self, row: int) -> AudioSource:
        """Where a row's audio is."""
        start, length = (self.value(row, name) for name in ("byte_offset", "byte_length"))
        address = resolve_address(self._part(row)[1].parent, str(self.value(row, "audio")))
        return AudioSource(address, *(None if n is None else int(str(n)) for n in (start, length)))

    def offset(self, row: int) -> float:
        """Where a row begins in its audio, seconds."""
        return float(self.table["offset"][row].as_py() or 0.0)

    def window(self, row: int) -> tuple[float, float | None]:
        """Offset and duration (seconds) to read; no duration for a row that is the whole audio."""
        return self.offset(row), float(self.durations[row]) if self.has_offsets else None

    def waveform(self, row: int, sample_rate: int) -> Waveform:
        """Read a row's audio as a waveform (sample,) at `sample_rate` Hz.

        Raises:
            AudioError: it cannot be read; the message names the row.
        """
        try:
            return read_audio(self.audio(row), sample_rate, *self.window(row))
        except AudioError as error:
            raise AudioError(f"{self.where(row)}: {error}") from error

    @cached_property
    def has_offsets(self) -> bool:
        """Whether rows are windows of longer audio."""
        return bool(self.table["offset"].null_count < len(self))

    def name(self, row: int) -> str:
        """What to call a row in a message: its file, with the offset where it has one."""
        start = self.value(row, "byte_offset")
        span = "" if start is None else f" at byte {start}"
        offset = f" at {self.offset(row):g} s" if self.has_offsets else ""
        return f"{self.value(row, 'audio')}{span}{offset}"

    def rows_by_domain(self, keep: npt.NDArray[np.bool_] | None = None) -> list[npt.NDArray[np.int64]]:
        """Rows of each domain, in the order of `domains`; only those where `keep` is true."""
        index = self.domain_index if keep is None else np.where(keep, self.domain_index, -1)
        return [np.flatnonzero(index == i) for i in range(len(self.domains))]

    def filter(self, keep: npt.NDArray[np.bool_]) -> Manifest:
        """Take the rows where `keep` (row,) is true into memory."""
        edges = np.concatenate([[0], np.cumsum(keep)]).tolist()
        parts = tuple((edges[first], path) for first, path in self.parts)
        return Manifest(rows_of(self.table, keep), self.path, parts)

    @cached_property
    def keys(self) -> npt.NDArray[np.int64]:
        """Hash of each row's id (row,): what is known of an utterance is known by its key."""
        return hashes(self.table["id"]).view(np.int64)  # torch saves uint64, but loads it only unsafely

    @cached_property
    def text_hashes(self) -> npt.NDArray[np.int64]:
        """Hash of each row's text (row,), by which it is seen that a text was mended."""
        return hashes(self.table["text"]).view(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, audio, texts and domains of all rows: the same whatever file they are in."""
        whole = hashlib.sha256()
        for array in (self.keys, self.text_hashes, *(hashes(self.table[name]) for name in ("audio", "domain"))):
            whole.update(array.data)
        for name in ("offset", "byte_offset", "byte_length"):
            whole.update(np.ascontiguousarray(pc.fill_null(self.table[name], 0).to_numpy()).data)
        return whole.hexdigest()

    def _part(self, row: int) -> tuple[int, Path]:
        if not self.parts:
            return 0, self.path
        return self.parts[bisect.bisect_right(self.parts, row, key=lambda part: part[0]) - 1]


def read_manifest(path: Path | str) -> Manifest:
    """Read a manifest from Parquet, CSV (TSV) or JSON Lines, and check every row: `read_manifests` of one file."""
    return read_manifests([path])


def read_manifests(paths: Sequence[Path | str]) -> Manifest:
    """Read one manifest or several as one, rows in the order of the files; each finds its audio beside its own file.

    Rows without an id get one that follows from where their audio is. Columns that only some files have are null in the
    others; one whose types have nothing in common becomes texts, which is logged.

    Raises:
        InputError: a file is missing, not a table, empty, lacks a column, or a row has no audio, domain or positive
            duration, a `cer` outside 0..1, no right span of bytes, or the id of another row; or the files were made by
            different normalizers.
    """
    files = [Path(path) for path in paths]
    tables = [_read(path) for path in files]
    for path, table in zip(files, tables, strict=True):
        made_by, other = (Manifest(one, path).normalizer for one in (tables[0], table))
        if made_by != other:
            raise InputError(f"{path} was normalized by {other}, {files[0]} by {made_by}; import one of them again")
    table, as_texts = joined(tables) if len(tables) > 1 else (tables[0], [])
    if as_texts:
        names = ", ".join(map(str, files))
        log.warning("%s: the types of %s differ, so it is read as texts", names, ", ".join(as_texts))
    starts = np.cumsum([0, *(len(table) for table in tables[:-1])]).tolist()
    return _without_repetition(Manifest(with_ids(table), files[0], tuple(zip(starts, files, strict=True))))


def write_manifest(table: pa.Table, path: Path, normalizer: str) -> None:
    """Write a Parquet manifest, aside first, stamped with the normalizer that made its texts.

    Rows without an id get one, by which they are known from now on, wherever the file goes. Columns that are not a
    manifest's own are written as they are.
    """
    table = with_ids(typed(table, path)).replace_schema_metadata({NORMALIZER_KEY: normalizer.encode()})
    with atomic_write(path) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd")


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise InputError(f"{path}: there is no such manifest")
    table = typed_table(path)
    if not table.num_rows:
        raise InputError(f"{path}: the manifest has no rows")
    return table


def _without_repetition(manifest: Manifest) -> Manifest:
    """Give a manifest in which no id comes twice.

    Raises:
        InputError: one does; the message names both rows.
    """
    found = first_repeated(manifest.keys)
    if found is None:
        return manifest
    before, again = found
    raise InputError(
        f"{manifest.where(again)}: the id {manifest.value(again, 'id')} is also that of {manifest.where(before)}; each "
        "utterance needs its own (`corpus import --id-prefix` tells two corpora apart)"
    )
