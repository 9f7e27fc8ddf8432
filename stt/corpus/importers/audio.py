"""Import audio files that nobody has transcribed, for `stt corpus label`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.corpus.importers.folder import audio_files
from stt.corpus.row import Row, domain_of


def rows(source: Path, *, domain: str = "{folder}") -> Iterator[Row]:
    """Read audio files (wav, flac, mp3, ogg, m4a ...) without transcripts, including all subfolders.

    The texts are empty: `stt corpus label` writes them. The path inside the folder becomes the id.

    Args:
        source: the folder.
        domain: template over `folder` (the top-level subfolder of the file, or the name of the source
            for files directly in it), or a fixed name.
    """
    for where, audio, folder in audio_files(source):
        yield Row(where, audio, "", domain_of(domain, {"folder": folder}, where), id=where, unlabelled=True)
