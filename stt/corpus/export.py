"""A manifest on its way into another format: utterances, copies of audio, and what the format cannot carry."""

from __future__ import annotations

import gzip
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import pyarrow as pa

from stt.audio.io import EXTENSIONS, AudioError, AudioInfo, audio_info
from stt.audio.source import AudioSource, is_remote
from stt.corpus.audio_copy import copy_audio
from stt.corpus.columns import COLUMNS, is_unicode, to_python
from stt.corpus.manifest import Manifest
from stt.corpus.memory_map import iter_tables
from stt.progress import track

CHUNK_ROWS = 1_000  # in memory at once


def is_local(address: str) -> bool:
    """Whether an address is a path."""
    return not is_remote(address)


@dataclass(frozen=True)
class Abilities:
    """What a format can refer to; audio that it cannot refer to is copied.

    Attributes:
        offsets: windows of longer audio.
        refers: whether it can refer to an address; local files by default.
        own_audio: whether it has all audio in its own folder.
        channels: audio of several channels, which readers of the format average.
        info: whether it needs the sample rate and the length of the audio.
        types: whether it has the types of all columns; otherwise they are those of JSON.
        formats: extensions of the audio that is copied as it is; any other becomes FLAC.
        skips_unreadable: whether utterances whose audio cannot be read are left out, instead of an error.
    """

    offsets: bool = False
    refers: Callable[[str], bool] = is_local
    own_audio: bool = False
    channels: bool = True
    info: bool = False
    types: bool = False
    formats: frozenset[str] = EXTENSIONS
    skips_unreadable: bool = False


@dataclass(frozen=True)
class Utterance:
    """A row of the manifest, with audio that the format can refer to.

    Attributes:
        row: index in the manifest.
        id: unique name.
        text: transcript.
        duration: seconds.
        domain: domain.
        speaker: None if unknown.
        cer: previously measured, 0..1; None if unknown.
        audio: absolute path or URL.
        offset: start in the audio, seconds; None for the whole file.
        info: metadata of the audio, if the format needs them.
        extra: the custom columns without empty cells, as values that JSON has.
    """

    row: int
    id: str
    text: str
    duration: float
    domain: str
    speaker: str | None
    cer: float | None
    audio: str
    offset: float | None
    info: AudioInfo | None
    extra: Mapping[str, Any]


class _Placed(NamedTuple):
    """Where the audio of a row is, as in `Utterance`, and why it was copied there."""

    audio: str
    offset: float | None
    info: AudioInfo | None
    reason: str = ""


@dataclass
class Export:
    """A manifest to export.

    Attributes:
        manifest: what to export.
        folder: where to write; it is renamed when everything is written.
        final: what the folder will then be called, absolute.
        copy: whether all audio is copied.
        lost: what the format cannot carry, and in how many rows; exporters add to it.
        copied: why audio was copied, and of how many rows.
        unreadable: rows that were left out.
    """

    manifest: Manifest
    folder: Path
    final: Path
    copy: bool = False
    lost: Counter[str] = field(default_factory=Counter)
    copied: Counter[str] = field(default_factory=Counter)
    unreadable: list[int] = field(default_factory=list)

    def utterances(self, abilities: Abilities, order: Sequence[int] | None = None) -> Iterator[Utterance]:
        """Yield all utterances, with copies of the audio that the format cannot refer to.

        Args:
            abilities: what the format can refer to.
            order: rows in the order in which to yield them.

        Raises:
            AudioError: audio that has to be opened cannot be read; the message names the row.
        """
        rows = range(len(self.manifest)) if order is None else order
        as_text = set() if abilities.types else self._columns_as_text()
        with ThreadPoolExecutor(8) as pool:
            placed = self._placed(pool, self._tables(order), rows, abilities)
            for row, cells, place in track(placed, "exporting", len(rows)):
                if place is None:
                    self.unreadable.append(row)
                    continue
                if place.reason:
                    self.copied[place.reason] += 1
                cer = cells["cer"]
                yield Utterance(
                    row=row,
                    id=cells["id"],
                    text=cells["text"],
                    duration=shortest(cells["duration"]),
                    domain=cells["domain"],
                    speaker=cells["speaker"] or None,
                    cer=None if cer is None or math.isnan(cer) else shortest(cer),
                    audio=place.audio,
                    offset=place.offset,
                    info=place.info,
                    extra=self._extra(cells, as_text),
                )

    def reserve(self, *names: str) -> None:
        """Count the custom columns whose names the format uses for something else, so that they cannot be kept."""
        for name in names:
            if name in self.manifest.table.column_names and name not in COLUMNS:
                self.lost[f"the column {name}, whose name the format itself uses"] = _given(self.manifest.table[name])

    @contextmanager
    def open(self, name: str) -> Iterator[TextIO]:
        """Open a text file of the export for writing; compressed if its name ends in .gz."""
        path = self.folder / name
        if path.suffix == ".gz":
            with gzip.open(path, "wt", encoding="utf-8", compresslevel=6) as compressed:
                assert isinstance(compressed, io.TextIOWrapper)
                yield compressed
        else:
            with path.open("w", encoding="utf-8", newline="\n") as file:
                yield file

    def _tables(self, order: Sequence[int] | None) -> Iterator[pa.Table]:
        """Yield the rows in order, `CHUNK_ROWS` at once."""
        if order is None:
            yield from iter_tables(self.manifest.table, CHUNK_ROWS)
            return
        table = self.manifest.table.combine_chunks()  # else every `take` would do it
        for start in range(0, len(order), CHUNK_ROWS):
            yield table.take(pa.array(order[start : start + CHUNK_ROWS], pa.int64()))

    def _placed(
        self, pool: ThreadPoolExecutor, tables: Iterator[pa.Table], rows: Sequence[int], abilities: Abilities
    ) -> Iterator[tuple[int, dict[str, Any], _Placed | None]]:
        for start, table in zip(range(0, len(rows), CHUNK_ROWS), tables, strict=True):
            chunk = rows[start : start + CHUNK_ROWS]
            columns = [map(to_python, table[name]) for name in table.column_names]
            cells = [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]
            placed = pool.map(lambda row, one: self._place(row, one, abilities), chunk, cells)
            yield from zip(chunk, cells, placed, strict=True)

    def _place(self, row: int, cells: Mapping[str, Any], abilities: Abilities) -> _Placed | None:
        """Copy the audio of a row if necessary; None if it cannot be read and the row is to be left out."""
        source = self.manifest.audio(row).absolute()
        offset = self.manifest.offset(row) if self.manifest.has_offsets else None
        try:
            info = audio_info(source) if abilities.info else None
            reason = self._reason(source, offset, info, abilities)
            if not reason:
                return _Placed(source.address, offset, info)
            window = None if offset is None else (offset, float(cells["duration"]))
            name = Path("audio") / f"{row // 1000:05d}" / f"{row:08d}"
            mix = info is not None and info.channels > 1 and not abilities.channels
            name = copy_audio(source, window, self.folder, name, mix, abilities.formats)
            info = audio_info(self.folder / name) if abilities.info else None
        except AudioError as error:
            if abilities.skips_unreadable:
                return None
            raise AudioError(f"{self.manifest.where(row)}: {error}") from error
        return _Placed(str(self.final / name), None, info, reason)

    def _reason(self, source: AudioSource, offset: float | None, info: AudioInfo | None, abilities: Abilities) -> str:
        if self.copy:
            return "asked for"
        if abilities.own_audio:
            return "the format has all audio in its folder"
        if source.byte_offset is not None:
            return "a part of the bytes of a file"
        if offset is not None and not abilities.offsets:
            return "a window of longer audio"
        if not is_unicode(source.address):
            return "a path that is not valid Unicode"
        if not abilities.refers(source.address):
            return "the format cannot refer to it"
        return "several channels" if info and info.channels > 1 and not abilities.channels else ""

    def _columns_as_text(self) -> set[str]:
        """Return the names of columns that JSON has no type for, and count their rows."""
        names = set()
        for column in self.manifest.table.schema:
            if column.name not in COLUMNS and not _fits_json(column.type):
                names.add(column.name)
                self.lost[f"the type of the column {column.name}, which becomes text"] = _given(
                    self.manifest.table[column.name]
                )
        return names

    def _extra(self, cells: Mapping[str, Any], as_text: set[str]) -> dict[str, Any]:
        extra = {}
        for name, cell in cells.items():
            if name in COLUMNS or cell is None:
                continue
            if isinstance(cell, float) and not math.isfinite(cell):
                self.lost[f"NaN or infinity in the column {name}"] += 1
                continue
            extra[name] = str(cell) if name in as_text else cell
        return extra


def json_line(cells: Mapping[str, Any]) -> str:
    """Format a line of JSON Lines without empty cells."""
    return json.dumps({name: cell for name, cell in cells.items() if cell is not None}, ensure_ascii=False) + "\n"


def shortest(number: float) -> float:
    """Return a 32-bit number with no more digits than it has."""
    return float(str(np.float32(number)))


def _given(column: pa.ChunkedArray) -> int:
    return len(column) - int(column.null_count)


def _fits_json(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _fits_json(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _fits_json(kind.value_type)
    if pa.types.is_struct(kind):
        return all(_fits_json(kind.field(i).type) for i in range(kind.num_fields))
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_null)
    return any(check(kind) for check in (*checks, pa.types.is_large_string))
