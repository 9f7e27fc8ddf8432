"""The manifest: one table of utterances, stored by column so that 16.5 million rows fit in memory."""

from __future__ import annotations

import bisect
import hashlib
import logging
import os
import pickle
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
from stt.corpus.arrow_cache import load_table
from stt.corpus.columns import COLUMNS, cast_columns, check_domains, concat_tables, with_column
from stt.corpus.ids import first_duplicate, hashes, with_ids
from stt.corpus.memory_map import filter_rows, iter_chunks, iter_tables
from stt.corpus.provenance import Step, encode_step
from stt.errors import InputError
from stt.files import atomic_write

__all__ = ["COLUMNS", "Manifest", "check_manifest_name", "read_manifest", "read_manifests", "write_manifest"]

log = logging.getLogger(__name__)
NORMALIZER_KEY = b"stt.normalizer"


@dataclass(frozen=True)
class Manifest:
    """A table with the columns of a manifest and any others, and the files it was read from."""

    table: pa.Table
    path: Path
    parts: tuple[tuple[int, Path], ...] = ()  # first row and file of each of the concatenated manifests

    def __len__(self) -> int:
        """Return the number of utterances."""
        return int(self.table.num_rows)

    @property
    def normalizer(self) -> str | None:
        """Name of the normalizer that was applied to the texts, or None if unknown."""
        name = (self.table.schema.metadata or {}).get(NORMALIZER_KEY)
        return name.decode() if name else None

    @cached_property
    def domains(self) -> list[str]:
        """Names of the domains, sorted."""
        # A dictionary may contain names that no row uses any more.
        chunks = self.table["domain"].chunks
        return sorted({chunk.dictionary[i].as_py() for chunk in chunks for i in pc.unique(chunk.indices).to_pylist()})

    @cached_property
    def domain_index(self) -> npt.NDArray[np.int32]:
        """Index of each row's domain in `domains`."""
        indices = {domain: i for i, domain in enumerate(self.domains)}
        chunks = []
        for chunk in self.table["domain"].chunks:
            dictionary = np.array([indices.get(name, -1) for name in chunk.dictionary.to_pylist()], np.int32)
            chunks.append(dictionary[chunk.indices.to_numpy()])
        return np.concatenate(chunks)

    @cached_property
    def durations(self) -> npt.NDArray[np.float32]:
        """Duration of each row, seconds."""
        return np.asarray(self.table["duration"].to_numpy(), dtype=np.float32)

    @property
    def files(self) -> list[Path]:
        """The files that the manifest was read from."""
        return [path for _, path in self.parts] or [self.path]

    def value(self, row: int, column: str) -> object:
        """Return one cell: a string, a number, or None if it is empty."""
        return self.table[column][row].as_py()

    def text(self, row: int) -> str:
        """Return the transcript of a row."""
        return str(self.value(row, "text"))

    def where(self, row: int) -> str:
        """Return the file and the row number in it (from 1), for messages."""
        first, path = self._part(row)
        return f"{path}: row {row - first + 1}"

    def audio(self, row: int) -> AudioSource:
        """Return the reference to a row's audio."""
        start, length = (self.table[name][row].as_py() for name in ("byte_offset", "byte_length"))
        address = resolve_address(self._part(row)[1].parent, str(self.value(row, "audio")))
        return AudioSource(address, start, length)

    def offset(self, row: int) -> float:
        """Return where a row starts in its audio, seconds."""
        return float(self.table["offset"][row].as_py() or 0.0)

    def window(self, row: int) -> tuple[float, float | None]:
        """Return the offset and duration to read, seconds; the duration is None if rows are whole files."""
        return self.offset(row), float(self.durations[row]) if self.has_offsets else None

    def waveform(self, row: int, sample_rate: int) -> Waveform:
        """Read a row's audio as a waveform (sample,) at `sample_rate` Hz.

        Raises:
            AudioError: the audio cannot be read; the message names the row.
        """
        try:
            return read_audio(self.audio(row), sample_rate, *self.window(row))
        except AudioError as error:
            raise AudioError(f"{self.where(row)}: {error}") from error

    @cached_property
    def has_offsets(self) -> bool:
        """Whether rows are windows of longer audio."""
        return bool(self.table["offset"].null_count < len(self))

    @cached_property
    def divisible(self) -> pa.Table:
        """The table, of which some rows mean the same without the others: windows that start at 0 say so.

        Else they would look like whole files where no other window is left.
        """
        if not 0 < self.table["offset"].null_count < len(self):
            return self.table
        return with_column(self.table, "offset", pc.fill_null(self.table["offset"], 0.0))

    def name(self, row: int) -> str:
        """Return a row's name for messages: its audio file, with the offset if it has one."""
        start = self.value(row, "byte_offset")
        span = "" if start is None else f" at byte {start}"
        offset = f" at {self.offset(row):g} s" if self.has_offsets else ""
        return f"{self.value(row, 'audio')}{span}{offset}"

    def rows_by_domain(self, keep: npt.NDArray[np.bool_] | None = None) -> list[npt.NDArray[np.int64]]:
        """Return the rows of each domain, in the order of `domains`; only those where `keep` is true."""
        index = self.domain_index if keep is None else np.where(keep, self.domain_index, -1)
        return [np.flatnonzero(index == i) for i in range(len(self.domains))]

    def slice(self, start: int, stop: int) -> Manifest:
        """Return a manifest of the rows from `start` to before `stop`, with their places in the files."""
        edges = [*(first for first, _ in self.parts[1:]), len(self)]
        parts = self.parts or ((0, self.path),)
        within = [(first - start, path) for (first, path), end in zip(parts, edges, strict=True) if end > start]
        return Manifest(self.divisible.slice(start, stop - start), self.path, tuple(within))

    def to_bytes(self) -> bytes:
        """Encode it for another process: without the rest of the table of which it is a slice."""
        table = self.table
        for i, name in enumerate(table.column_names):
            if pa.types.is_dictionary(kind := table[name].type):  # whose values may be those of a million rows
                table = table.set_column(i, name, table[name].cast(kind.value_type).dictionary_encode())
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        parts = tuple((first, path.absolute()) for first, path in self.parts)  # a process may be in another folder
        return pickle.dumps((sink.getvalue().to_pybytes(), self.path.absolute(), parts))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Decode what `to_bytes` has encoded."""
        table, path, parts = pickle.loads(data)
        return cls(pa.ipc.open_stream(table).read_all().unify_dictionaries(), path, parts)

    def filter(self, keep: npt.NDArray[np.bool_]) -> Manifest:
        """Return a manifest of the rows where `keep` (row,) is true, in memory."""
        edges = np.concatenate([[0], np.cumsum(keep)]).tolist()
        parts = tuple((edges[first], path) for first, path in self.parts)
        return Manifest(filter_rows(self.divisible, keep), self.path, parts)

    @cached_property
    def keys(self) -> npt.NDArray[np.int64]:
        """Hash of each row's id (row,), by which the curriculum's state refers to utterances."""
        return hashes(self.table["id"]).view(np.int64)  # int64, because torch's safe loading does not support uint64

    @cached_property
    def text_hashes(self) -> npt.NDArray[np.int64]:
        """Hash of each row's text (row,), to detect corrected texts."""
        return hashes(self.table["text"]).view(np.int64)

    def text_lengths(self) -> npt.NDArray[np.int32]:
        """Return the number of characters of each row's text (row,)."""
        counts = (pc.utf8_length(chunk).to_numpy() for chunk in iter_chunks(self.table["text"]))
        return np.concatenate([np.zeros(0, np.int32), *(count.astype(np.int32) for count in counts)])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over ids, audio, texts and domains of all rows, independent of the file format."""
        digest = hashlib.sha256()
        for array in (self.keys, self.text_hashes, *(hashes(self.table[name]) for name in ("audio", "domain"))):
            digest.update(array.data)
        for name in ("offset", "byte_offset", "byte_length"):
            digest.update(np.ascontiguousarray(pc.fill_null(self.table[name], 0).to_numpy()).data)
        return digest.hexdigest()

    def _part(self, row: int) -> tuple[int, Path]:
        if not self.parts:
            return 0, self.path
        return self.parts[bisect.bisect_right(self.parts, row, key=lambda part: part[0]) - 1]


def read_manifest(path: Path | str) -> Manifest:
    """Read a manifest from Parquet, CSV (TSV) or JSON Lines and check every row; see `read_manifests`."""
    return read_manifests([path])


def read_manifests(paths: Sequence[Path | str]) -> Manifest:
    """Read one or several manifests as one, in the order of the files; audio paths are relative to each file's folder.

    Rows without an id get one derived from their audio reference. Columns that only some files have are null in the
    others; columns with incompatible types become strings, which is logged.

    Raises:
        InputError: a file is missing, not a table, empty or lacks a column; a row has no audio, domain or positive
            duration, a `cer` outside 0..1, an invalid offset or byte span, a reserved domain, or a duplicate id; or the
            files were normalized differently.
    """
    files = [Path(path) for path in paths]
    tables = [_read(path) for path in files]
    for path, table in zip(files, tables, strict=True):
        expected, actual = (Manifest(one, path).normalizer for one in (tables[0], table))
        if expected != actual:
            raise InputError(
                f"{path} was normalized with {actual}, but {files[0]} with {expected}; import one of them again"
            )
    table, as_strings = concat_tables(tables) if len(tables) > 1 else (tables[0], [])
    if as_strings:
        names = ", ".join(map(str, files))
        log.warning("%s: the types of column %s differ, so it is read as strings", names, ", ".join(as_strings))
    starts = np.cumsum([0, *(len(table) for table in tables[:-1])]).tolist()
    manifest = Manifest(with_ids(table), files[0], tuple(zip(starts, files, strict=True)))
    _check_ids(manifest)
    return manifest


def check_manifest_name(out: Path) -> None:
    """Check that a manifest can be written under the name that --out gives.

    Raises:
        InputError: it cannot.
    """
    if out.suffix.lower() != ".parquet" or out.is_dir():
        raise InputError(f"--out {out}: a manifest is a file whose name ends in .parquet")


def write_manifest(table: pa.Table, path: Path, normalizer: str | None, step: Step | None = None) -> None:
    """Write a Parquet manifest atomically, with the normalizer of its texts, if any, and the step that it comes from.

    Rows without an id get one, which they keep when the file is moved. Columns of your own are written unchanged.
    """
    metadata = {NORMALIZER_KEY: (normalizer or "").encode()} | (encode_step(step) if step else {})
    table = with_ids(cast_columns(table, path)).replace_schema_metadata(metadata)
    with (
        atomic_write(path) as temporary,
        pa.OSFile(os.fsencode(temporary), "wb") as file,
        pyarrow.parquet.ParquetWriter(file, table.schema, compression="zstd") as writer,
    ):
        for rows in iter_tables(table):
            writer.write_table(rows)


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise InputError(f"{path}: manifest not found")
    table = load_table(path)
    if not table.num_rows:
        raise InputError(f"{path}: the manifest has no rows")
    check_domains(Manifest(table, path).domains, path)
    return table


def _check_ids(manifest: Manifest) -> None:
    """Check that ids are unique.

    Raises:
        InputError: an id is not unique; the message names both rows.
    """
    rows = first_duplicate(manifest.keys)
    if rows is not None:
        earlier, duplicate = rows
        raise InputError(
            f"{manifest.where(duplicate)}: duplicate id {manifest.value(duplicate, 'id')}, first used in "
            f"{manifest.where(earlier)}; ids must be unique (`corpus import --id-prefix` separates two corpora)"
        )
