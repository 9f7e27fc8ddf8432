"""The manifest: one table of utterances, kept as columns so that 16.5 million rows fit in memory."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from stt.errors import InputError
from stt.files import written_aside

COLUMNS: dict[str, pa.DataType] = {
    "audio": pa.large_string(),  # path, relative to the manifest's folder or absolute
    "text": pa.large_string(),
    "duration": pa.float32(),  # seconds
    "domain": pa.dictionary(pa.int32(), pa.string()),
    "offset": pa.float64(),  # seconds into the file
    "speaker": pa.dictionary(pa.int32(), pa.string()),
    "cer": pa.float32(),  # quality known beforehand, 0..1; NaN where unknown
}
REQUIRED = ("audio", "text", "duration", "domain")
NORMALIZER_KEY = b"stt.normalizer"


@dataclass(frozen=True)
class Manifest:
    """A table with the columns above, and where it came from."""

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
        return sorted(pc.unique(pc.cast(self.table["domain"], pa.string())).to_pylist())

    @cached_property
    def domain_index(self) -> npt.NDArray[np.int32]:
        """Place of each row's domain in `domains`."""
        names = pa.array(self.domains, pa.string())
        plain = pc.cast(self.table["domain"], pa.string())
        return np.asarray(pc.index_in(plain, names).to_numpy(), dtype=np.int32)

    @cached_property
    def durations(self) -> npt.NDArray[np.float32]:
        """Duration of each row, seconds."""
        return np.asarray(self.table["duration"].to_numpy(), dtype=np.float32)

    @cached_property
    def _columns(self) -> dict[str, pa.Array]:
        # One chunk a column: finding a row among many chunks would be a search.
        return {name: _one_chunk(self.table[name]) for name in ("audio", "text", "domain", "offset", "speaker")}

    def value(self, row: int, column: str) -> object:
        """One cell: a string, a number, or None where there is none."""
        return self._columns[column][row].as_py()

    def text(self, row: int) -> str:
        """Transcript of a row."""
        return str(self.value(row, "text"))

    def audio(self, row: int) -> Path:
        """Path of a row's audio file."""
        path = self.path
        if self.parts:
            path = self.parts[bisect.bisect_right(self.parts, row, key=lambda part: part[0]) - 1][1]
        return path.parent / str(self.value(row, "audio"))

    def offset(self, row: int) -> float:
        """Where a row begins in its file, seconds."""
        return float(self._columns["offset"][row].as_py() or 0.0)

    def window(self, row: int) -> tuple[float, float | None]:
        """Offset and duration (seconds) to read; no duration for a row that is a whole file."""
        return self.offset(row), float(self.durations[row]) if self.has_offsets else None

    @cached_property
    def has_offsets(self) -> bool:
        """Whether rows are windows of longer files."""
        return bool(self.table["offset"].null_count < len(self))

    def name(self, row: int) -> str:
        """What to call a row in a message: its file, with the offset where it has one."""
        offset = f" at {self.offset(row):g} s" if self.has_offsets else ""
        return f"{self.value(row, 'audio')}{offset}"

    def rows_by_domain(self, keep: npt.NDArray[np.bool_] | None = None) -> list[npt.NDArray[np.int64]]:
        """Rows of each domain, in the order of `domains`; only those where `keep` is true."""
        index = self.domain_index if keep is None else np.where(keep, self.domain_index, -1)
        return [np.flatnonzero(index == i) for i in range(len(self.domains))]

    @cached_property
    def keys(self) -> npt.NDArray[np.uint64]:
        """Hash of audio, text, domain and offset of each row: what is known of an utterance is known by its key."""
        names = ["audio", "text", "domain", "offset"]
        keys = np.empty(len(self), np.uint64)
        for start in range(0, len(self), 100_000):  # Python strings of a part at a time, or memory would not stay flat
            part = self.table.select(names).slice(start, 100_000)
            columns = [pc.cast(part[name], pa.large_string()).to_pylist() for name in names]
            digests = [
                hashlib.blake2b("\x1f".join(cell or "" for cell in cells).encode(), digest_size=8).digest()
                for cells in zip(*columns, strict=True)
            ]
            keys[start : start + len(digests)] = np.frombuffer(b"".join(digests), "<u8")
        return keys

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the keys of all rows: the same data has the same fingerprint, whatever file it is in."""
        return hashlib.sha256(self.keys.tobytes()).hexdigest()


def read_manifest(path: Path | str) -> Manifest:
    """Read a manifest from Parquet, CSV (TSV) or JSON Lines, and check every row.

    Raises:
        InputError: the file is missing, not a table, empty, lacks a column, or a row has no audio,
            domain or positive duration, or a `cer` outside 0..1.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such manifest")
    table = _typed(read_table(path), path)
    if not table.num_rows:
        raise InputError(f"{path}: the manifest has no rows")
    for column, wrong in _faults(table).items():
        rows = np.flatnonzero(wrong)
        if len(rows):
            raise InputError(
                f"{path}: {column} in row {rows[0] + 1}" + (f" and {len(rows) - 1} more rows" if len(rows) > 1 else "")
            )
    return Manifest(table, path)


def read_manifests(paths: Sequence[Path | str]) -> Manifest:
    """Read one manifest or several as one, rows in the order of the files; each finds its audio beside its own file.

    Raises:
        InputError: one of them is not right, or they were made by different normalizers.
    """
    manifests = [read_manifest(path) for path in paths]
    first = manifests[0]
    if len(manifests) == 1:
        return first
    for other in manifests[1:]:
        if other.normalizer != first.normalizer:
            raise InputError(
                f"{other.path} was normalized by {other.normalizer}, {first.path} by {first.normalizer}; "
                "import one of them again"
            )
    starts = np.cumsum([0, *(len(manifest) for manifest in manifests[:-1])]).tolist()
    table = pa.concat_tables([manifest.table for manifest in manifests]).unify_dictionaries()
    return Manifest(table, first.path, tuple(zip(starts, (manifest.path for manifest in manifests), strict=True)))


def write_manifest(table: pa.Table, path: Path, normalizer: str) -> None:
    """Write a Parquet manifest, aside first, stamped with the normalizer that made its texts."""
    table = _typed(table, path).replace_schema_metadata({NORMALIZER_KEY: normalizer.encode()})
    with written_aside(path) as aside:
        pyarrow.parquet.write_table(table, aside, compression="zstd")


def read_table(path: Path) -> pa.Table:
    """Read Parquet, CSV, TSV or JSON Lines by the file's ending.

    Raises:
        InputError: the ending is another one, or the file is not what it says.
    """
    readers = {
        ".parquet": pyarrow.parquet.read_table,
        ".csv": lambda p: _read_csv(p, ","),
        ".tsv": lambda p: _read_csv(p, "\t"),
        ".jsonl": pyarrow.json.read_json,
        ".json": pyarrow.json.read_json,
    }
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: a table ends in {', '.join(readers)}, not in {path.suffix or 'nothing'}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise InputError(f"{path}: the file is empty")
    try:
        return readers[path.suffix.lower()](path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a readable table ({str(error).splitlines()[0]})") from error


def _read_csv(path: Path, delimiter: str) -> pa.Table:
    # Names and texts such as 007 or "null" must stay texts; numbers are cast once the columns are known.
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline().rstrip("\r\n").split(delimiter)
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name.strip('"'): pa.string() for name in header}, strings_can_be_null=False
        ),
    )


def _typed(table: pa.Table, path: Path) -> pa.Table:
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path}: the column {', '.join(missing)} is missing; there are {', '.join(table.column_names)}"
        )
    columns = {}
    for name, kind in COLUMNS.items():
        if name not in table.column_names:
            columns[name] = pa.nulls(table.num_rows, kind)
            continue
        column = table[name]
        try:
            if pa.types.is_floating(kind) and pa.types.is_string(column.type):
                column = pc.if_else(pc.equal(column, ""), None, column)
            columns[name] = pc.cast(column, kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(f"{path}: the column {name} does not hold {_kind(kind)} ({error})") from error
    return pa.table(columns, metadata=table.schema.metadata).unify_dictionaries()


def _kind(kind: pa.DataType) -> str:
    return "numbers" if pa.types.is_floating(kind) else "texts"


def _faults(table: pa.Table) -> dict[str, npt.NDArray[np.bool_]]:
    def empty(name: str) -> npt.NDArray[np.bool_]:
        plain = pc.cast(table[name], pa.large_string())
        return np.asarray(pc.fill_null(pc.equal(plain, ""), True).to_numpy(), dtype=np.bool_)

    def numbers(name: str) -> npt.NDArray[np.float64]:
        return np.asarray(table[name].to_numpy(), dtype=np.float64)

    duration, offset, cer = numbers("duration"), numbers("offset"), numbers("cer")
    return {
        "no audio": empty("audio"),
        "no domain": empty("domain"),
        "a duration that is not a positive number of seconds": ~((duration > 0) & np.isfinite(duration)),
        "a negative offset": offset < 0,
        "a cer outside 0..1": (cer < 0) | (cer > 1),
    }


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) and combined.num_chunks else combined
