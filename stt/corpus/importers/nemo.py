"""Import a NeMo manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.corpus.json_lines import read_json_lines
from stt.corpus.record import to_row
from stt.corpus.row import Row


def rows(source: Path, *, domain: str = "{name}") -> Iterator[Row]:
    """Read JSON Lines with `audio_filepath`, `text`, and `id`, `duration`, `offset`, `speaker` if present.

    All other keys become columns.

    Args:
        source: the manifest; paths are relative to its folder, or absolute, or URLs such as s3://...
        domain: template over the line's keys and `name` (the manifest's file name without extension), or a
            fixed name.
    """
    defaults = {**{key: None for record in read_json_lines(source) for key in record.cells}, "name": source.stem}
    for record in read_json_lines(source):
        yield to_row(record, source, {"audio": "audio_filepath"}, domain, defaults)
