"""Import a folder of audio files with a text file next to each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.audio.io import EXTENSIONS
from stt.corpus.lines import read_transcript
from stt.corpus.row import Row, domain_of
from stt.errors import InputError
from stt.folders import walk


def rows(source: Path, *, domain: str = "{folder}") -> Iterator[Row]:
    """Read `NAME.wav` (flac, mp3, ogg, m4a ...) with its transcript in `NAME.txt`, including all subfolders.

    The path inside the folder becomes the id.

    Args:
        source: the folder.
        domain: template over `folder` (the top-level subfolder of the file, or the name of the source
            for files directly in it), or a fixed name.
    """
    for where, audio, folder in audio_files(source):
        text, error = read_transcript(audio.with_suffix(".txt"))
        yield Row(where, audio, text, domain_of(domain, {"folder": folder}, where), error=error, id=where)


def audio_files(source: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield the audio files of a folder, sorted: the path inside it, the file, and the name of the top-level subfolder.

    Raises:
        InputError: there is no such folder.
    """
    if not source.is_dir():
        raise InputError(f"{source}: folder not found")
    for audio in sorted(path for path in walk(source) if path.suffix.lower() in EXTENSIONS):
        inside = audio.relative_to(source)
        folder = inside.parts[0] if len(inside.parts) > 1 else source.resolve().name
        # A name that is not UTF-8 comes with surrogates, which no file could take.
        yield inside.as_posix().encode(errors="backslashreplace").decode(), audio, folder
