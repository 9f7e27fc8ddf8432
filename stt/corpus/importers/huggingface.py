"""Import a data set of Hugging Face: an audio folder, or Parquet files that contain the audio."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from stt.corpus.columns import to_python
from stt.corpus.embedded import read_embedded
from stt.corpus.record import Record, to_row
from stt.corpus.row import Row
from stt.corpus.table import read_records
from stt.errors import InputError
from stt.folders import walk

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
TEXT_COLUMNS = ("transcription", "text", "sentence", "transcript")


def rows(source: Path, *, text: str = "", split: str = "", domain: str = "{name}") -> Iterator[Row]:
    """Read a folder with `metadata.csv`, `.jsonl` or `.parquet`, or with Parquet files that have an audio column.

    Audio inside of Parquet is written to files next to the manifest, as it is: in compressed pages it has no place of
    its own that a manifest could refer to. All other columns are kept; the id is the column `id`, or the path of the
    file, or the Parquet file (its path below the folder that has them all) and the row.

    Args:
        source: the folder of the data set, or one of its Parquet files.
        text: the column of the texts; default: transcription, text, sentence or transcript.
        split: import this split only: a folder of the audio, or the beginning of a Parquet file's name, or the folder
            of Parquet files that are numbered only.
        domain: template over the columns, `split`, and `name` of the source without extension; or a fixed name.
    """
    tables = sorted(path for path in walk(source) if path.name in METADATA or path.suffix == ".parquet")
    found = [path for path in tables if path.name in METADATA]
    shards = [path for path in tables if path.suffix == ".parquet"] if source.is_dir() else [source]
    if not found and not shards:
        raise InputError(f"{source}: neither {', '.join(METADATA)} nor Parquet files found")
    top = Path(os.path.commonpath([path.parent for path in shards])) if shards else source
    read = (
        (row for path in found for row in _audio_folder(source, path, text, split, domain))
        if found
        else (row for path in shards for row in _shard(source, path, path.relative_to(top), text, split, domain))
    )
    first = next(read, None)
    if first is None:
        raise InputError(f"{source}: no rows found" + (f" in the split {split!r}" if split else ""))
    yield first
    yield from read


def _audio_folder(source: Path, metadata: Path, text: str, split: str, domain: str) -> Iterator[Row]:
    columns, records = read_records(metadata)
    if columns and "file_name" not in columns:
        raise InputError(f"{metadata}: no column 'file_name'; the table has {', '.join(columns)}")
    renamed = {"audio": "file_name", "text": _text_column(columns, text, metadata) if columns else "text"}
    defaults = {**dict.fromkeys(columns), "name": source.absolute().name}
    inside = metadata.parent.relative_to(source)
    for record in records:
        name = to_python(record.cells.get("file_name"))
        path = inside / name if isinstance(name, str) else inside
        found = path.parts[0] if len(path.parts) > 1 else None
        if split and found != split and not record.error:
            continue
        row = _at(
            record.line, metadata, source, to_row(record, metadata, renamed, domain, {**defaults, "split": found})
        )
        yield row if row.id or row.error else replace(row, id=path.as_posix())


def _shard(source: Path, path: Path, inside: Path, text: str, split: str, domain: str) -> Iterator[Row]:
    name = path.absolute().parent.name if path.stem.isdigit() else path.stem.partition("-")[0]
    shard = inside.with_suffix("").as_posix()
    if split and split not in (name, path.parent.name):
        return
    columns, audio, records = read_embedded(path, shard)
    renamed = {"text": _text_column(columns, text, path)}
    defaults = {**dict.fromkeys(columns), "split": split or name, "name": source.absolute().stem}
    for record, file in records:
        cells = {key: cell for key, cell in record.cells.items() if key != audio} | {"audio": file.name}
        record = Record(record.line, cells, record.error or file.error)
        row = _at(record.line, path, source, to_row(record, path, renamed, domain, defaults))
        if file.content is not None:
            row = replace(row, audio=Path(file.name), content=file.content)
        yield row if row.id else replace(row, id=f"{shard}/{record.line}")


def _at(line: int, path: Path, source: Path, row: Row) -> Row:
    """Return a row that says in which of the files of a folder it is, of which several may have the same name."""
    name = str(path.relative_to(source)).encode(errors="backslashreplace").decode()  # not all names are UTF-8
    return replace(row, where=f"{name}:{line}") if path != source else row


def _text_column(columns: Sequence[str], text: str, path: Path) -> str:
    column = next((name for name in ([text] if text else TEXT_COLUMNS) if name in columns), "")
    if not column:
        wanted = repr(text) if text else " or ".join(TEXT_COLUMNS)
        raise InputError(f"{path}: no column {wanted}; name that of the texts with --text: {', '.join(columns)}")
    return column
