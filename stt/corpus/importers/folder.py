"""Import a folder of audio files with a text file next to each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.audio.io import EXTENSIONS
from stt.corpus.lines import read_transcript
from stt.corpus.row import Row, domain_of
from stt.errors import InputError


def rows(source: Path, *, domain: str = "{folder}") -> Iterator[Row]:
    """Read `NAME.wav` (flac, mp3, ogg, m4a ...) with its transcript in `NAME.txt`, including all subfolders.

    The path inside the folder becomes the id.

    Args:
        source: the folder.
        domain: template over `folder` (the top-level subfolder of the file, or the name of the source
            for files directly in it), or a fixed name.
    """
    if not source.is_dir():
        raise InputError(f"{source}: folder not found")
    for audio in sorted(path for path in source.rglob("*") if path.suffix.lower() in EXTENSIONS):
        inside = audio.relative_to(source)
        folder = inside.parts[0] if len(inside.parts) > 1 else source.resolve().name
        text, error = read_transcript(audio.with_suffix(".txt"))
        # A name that is not UTF-8 comes with surrogates, which no file could take.
        where = inside.as_posix().encode(errors="backslashreplace").decode()
        yield Row(where, audio, text, domain_of(domain, {"folder": folder}, where), error=error, id=where)
