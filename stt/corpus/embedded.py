"""Audio inside of Parquet files, as Hugging Face's data sets store it: a column of structures of bytes and a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet

from stt.audio.formats import EXTENSIONS, extension_of
from stt.corpus.columns import check_names, decode_dictionary
from stt.corpus.record import Record
from stt.errors import InputError, reason

BATCH_ROWS = 32  # in memory at once, with their audio


class EmbeddedFile(NamedTuple):
    """The content of an audio file and a name for it, or a path only, or the reason why there is neither."""

    name: str
    content: bytes | None = None
    error: str = ""


def read_embedded(path: Path, folder: str) -> tuple[list[str], str, Iterator[tuple[Record, EmbeddedFile]]]:
    """Read a Parquet file as the names of its columns, that of the audio, and its rows with their audio.

    Args:
        path: the file.
        folder: the folder in the names of the audio.

    Raises:
        InputError: the file is not Parquet, damaged, or has no column of structures with the fields bytes and path.
    """
    with _open(path) as file:
        schema = file.schema_arrow
    check_names(schema.names, path)
    audio = next((field.name for field in schema if _is_audio(field.type)), None)
    if audio is None:
        raise InputError(f"{path}: no column of audio, which is a structure of bytes and a path")
    return list(schema.names), audio, _rows(path, audio, folder)


def _rows(path: Path, audio: str, folder: str) -> Iterator[tuple[Record, EmbeddedFile]]:
    line = 0
    try:
        with _open(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                batch.validate(full=True)
                columns = {name: decode_dictionary(batch.column(name)) for name in batch.schema.names}
                for i in range(len(batch)):
                    line += 1
                    cells = {name: column[i] for name, column in columns.items()}
                    yield Record(line, cells), _file(cells[audio].as_py(), folder, line)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged after row {line} ({reason(error)})") from error


def _file(cell: dict[str, object] | None, folder: str, line: int) -> EmbeddedFile:
    content, name = (cell or {}).get("bytes"), (cell or {}).get("path")
    name = name if isinstance(name, str) else ""
    if not isinstance(content, bytes):
        return EmbeddedFile(name, error="" if name else "the audio is missing, it has neither bytes nor a path")
    extension = Path(name).suffix.lower()
    extension = extension if extension in EXTENSIONS else extension_of(content)
    return EmbeddedFile(f"{folder}/{line:07d}{extension}", content)


def _is_audio(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0 or kind.get_field_index("path") < 0:
        return False
    content = kind.field("bytes").type
    return bool(pa.types.is_binary(content) or pa.types.is_large_binary(content) or pa.types.is_null(content))


def _open(path: Path) -> pa.parquet.ParquetFile:
    try:
        return pyarrow.parquet.ParquetFile(pa.OSFile(os.fsencode(path)))  # as bytes, because not all names are UTF-8
    except FileNotFoundError as error:
        raise InputError(f"{path}: file not found") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({reason(error)})") from error
