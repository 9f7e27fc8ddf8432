"""One shard of a packed corpus: a tar file with an audio file and a JSON file for each row, as WebDataset has them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from stt.audio.io import AudioError, audio_info, durations_agree, read_audio
from stt.audio.source import AudioSource
from stt.corpus.columns import COLUMNS, with_column
from stt.corpus.manifest import Manifest
from stt.corpus.packing.codec import Codec, Reference, as_stored, encode, reference, verify
from stt.corpus.packing.tar import TarWriter
from stt.corpus.sharding.shards import BadRow, Part
from stt.files import atomic_write

AUDIO_COLUMNS = ("audio", "offset", "byte_offset", "byte_length")  # what packing changes


class Span(NamedTuple):
    """Where the audio of a row is in the tar file, and what must be read back there."""

    row: int
    start: int  # bytes
    length: int  # bytes
    expected: Reference


@dataclass(frozen=True)
class Packer:
    """Packs shards, in other processes.

    Attributes:
        folder: for the tar files.
        prefix: of their names.
        codec: of the audio.
        sample_rate: of the audio, Hz.
        url: of the folder in which the tar files will be read; empty for that of the manifest.
    """

    folder: Path
    prefix: str
    codec: Codec
    sample_rate: int
    url: str = ""

    def __call__(self, rows: Manifest, name: str) -> Part:
        """Write a shard, `FOLDER/PREFIX-NAME.tar`, and read it back before it gets its name."""
        bad: list[BadRow] = []
        path = self.folder / f"{self.prefix}-{name}.tar"
        with atomic_write(path) as temporary:
            with temporary.open("wb") as file:
                spans = self._write(rows, name, file, bad)
            self._verify(temporary, spans)
        if not spans:
            path.unlink()
        return Part(_table(rows, f"{self.url.rstrip('/')}/{path.name}" if self.url else path.name, spans), bad)

    def _write(self, rows: Manifest, name: str, file: BinaryIO, bad: list[BadRow]) -> list[Span]:
        tar = TarWriter(file)
        fields = rows.table.drop_columns(list(AUDIO_COLUMNS)).to_pylist()
        spans = []
        for row in range(len(rows)):
            try:
                audio, expected = self._audio(rows, row)
            except AudioError as error:
                bad.append(BadRow(rows.where(row), "unreadable audio", str(error)))
                continue
            key = f"{self.prefix}-{name}-{row:06d}"
            spans.append(Span(row, tar.add(f"{key}.{self.codec}", audio), len(audio), expected))
            tar.add(f"{key}.json", _json(fields[row]))
        tar.finish()
        return spans

    def _audio(self, rows: Manifest, row: int) -> tuple[bytes, Reference]:
        """Return the audio of a row as it is stored, and what must be read back.

        Raises:
            AudioError: it cannot be read, or its duration is not that of the row.
        """
        source = rows.audio(row)
        waveform = read_audio(source, self.sample_rate, *rows.window(row))
        found, expected = len(waveform) / self.sample_rate, float(rows.durations[row])
        if not durations_agree(expected, found):
            raise AudioError(f"{source}: expected {expected:g} s, found {found:.2f} s")
        whole = not rows.has_offsets or (
            rows.offset(row) == 0 and durations_agree(expected, audio_info(source).duration)
        )
        stored = as_stored(source, self.codec, self.sample_rate) if whole else None
        if stored is None:
            stored = encode(waveform, self.codec, self.sample_rate)
        return stored, reference(waveform, self.codec)

    def _verify(self, path: Path, spans: list[Span]) -> None:
        for _, start, length, expected in spans:
            verify(AudioSource(str(path), start, length), expected, self.codec, self.sample_rate)


def _json(fields: dict[str, Any]) -> bytes:
    """Encode the columns of a row; empty ones and NaN, which JSON has not, are left out."""
    given = {name: value for name, value in fields.items() if value is not None and value == value}
    return json.dumps(given, ensure_ascii=False, default=str).encode()


def _table(rows: Manifest, address: str, spans: list[Span]) -> pa.Table:
    """Return the rows that were packed, with their byte spans; all other columns are as they were."""
    table = rows.table.take(pa.array([span.row for span in spans], pa.int64()))
    changed = {
        "audio": [address] * len(spans),
        "offset": [None] * len(spans),
        "byte_offset": [span.start for span in spans],
        "byte_length": [span.length for span in spans],
    }
    for name, values in changed.items():
        table = with_column(table, name, pa.array(values, COLUMNS[name]))
    return table
