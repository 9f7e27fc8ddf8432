"""Texts without their audio: lines of text files, and the texts of manifests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from stt.corpus.lines import read_lines
from stt.corpus.manifest import read_manifest
from stt.corpus.table import EXTENSIONS
from stt.errors import InputError
from stt.progress import track


class Text(NamedTuple):
    """A text, and its file and line or row for messages."""

    where: str
    text: str


def read_texts(paths: Sequence[Path]) -> Iterator[Text]:
    """Yield the lines of text files and the texts of manifests, which are told by their extensions.

    Raises:
        InputError: a file is missing, or a line is not UTF-8.
    """
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: there is no such text file")
        if path.suffix.lower() in EXTENSIONS:
            manifest = read_manifest(path)
            texts = (Text(manifest.where(row), manifest.text(row)) for row in range(len(manifest)))
            yield from track(texts, f"reading {path}", len(manifest))
        else:
            for line in track(read_lines(path), f"reading {path}"):
                where = f"{path}:{line.number}"
                if line.error:
                    raise InputError(f"{where}: {line.error}")
                yield Text(where, line.text)
