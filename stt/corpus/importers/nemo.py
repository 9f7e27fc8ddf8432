"""Import a NeMo manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from stt.audio.source import resolve_address
from stt.corpus.columns import COLUMNS
from stt.corpus.row import Row, domain_of
from stt.errors import InputError


def rows(source: Path, *, domain: str = "{name}") -> Iterator[Row]:
    """Read JSON Lines with `audio_filepath`, `text`, and `id`, `duration`, `offset`, `speaker` if present.

    All other keys become columns.

    Args:
        source: the manifest; paths are relative to its folder, or absolute, or URLs such as s3://...
        domain: template over the line's keys and `name` (the manifest's file name without extension), or a
            fixed name.
    """
    if not source.is_file():
        raise InputError(f"{source}: file not found")
    with source.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{source.name}:{number}"
            try:
                entry = json.loads(line)
                audio, text = str(entry["audio_filepath"]), str(entry["text"])
                duration, offset = (
                    None if entry.get(key) is None else float(entry[key]) for key in ("duration", "offset")
                )
            except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                yield Row(where, source, "", "", error=f"not a NeMo manifest line ({type(error).__name__}: {error})")
                continue
            yield Row(
                where,
                resolve_address(source.parent, audio),
                text,
                domain_of(domain, {"name": source.stem, **entry}, where),
                duration=duration,
                offset=offset,
                speaker=str(entry["speaker"]) if "speaker" in entry else None,
                id=str(entry["id"]) if entry.get("id") not in (None, "") else None,
                extra={key: value for key, value in entry.items() if key not in COLUMNS and key != "audio_filepath"},
            )
