"""Import a folder of audio files with their texts beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.audio.io import EXTENSIONS
from stt.corpus.row import Row, domain_of
from stt.errors import InputError


def rows(source: Path, *, domain: str = "{folder}") -> Iterator[Row]:
    """Read `NAME.wav` (flac, mp3, ogg ...) with its transcript in `NAME.txt`, in all subfolders.

    A file's path inside the folder is its id.

    Args:
        source: the folder.
        domain: template over `folder` (the first subfolder on the way to the file, or the source's own
            name for files right in it), or a plain name for all.
    """
    if not source.is_dir():
        raise InputError(f"{source}: there is no such folder")
    for audio in sorted(path for path in source.rglob("*") if path.suffix.lower() in EXTENSIONS):
        inside = audio.relative_to(source)
        folder = inside.parts[0] if len(inside.parts) > 1 else source.resolve().name
        beside = audio.with_suffix(".txt")
        fault, text = "", ""
        if not beside.is_file():
            fault = f"there is no {beside.name} beside it"
        else:
            try:
                text = beside.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError:
                fault = f"{beside.name} is not UTF-8"
        where = inside.as_posix()
        yield Row(where, audio, text, domain_of(domain, {"folder": folder}, where), fault=fault, id=where)
