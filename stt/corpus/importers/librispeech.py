"""Import LibriSpeech, and corpora with its layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stt.corpus.lines import read_lines
from stt.corpus.row import Row, domain_of
from stt.errors import InputError
from stt.folders import walk


def rows(source: Path, *, domain: str = "{split}") -> Iterator[Row]:
    """Read `SPLIT/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt`, with a FLAC file of each utterance next to it.

    Args:
        source: the folder of a split such as dev-clean, or one that contains several.
        domain: template over `split`, `speaker` and `chapter`, or a fixed name.
    """
    if not source.is_dir():
        raise InputError(f"{source}: folder not found")
    transcripts = sorted(path for path in walk(source) if path.name.endswith(".trans.txt"))
    if not transcripts:
        raise InputError(f"{source}: no file SPEAKER-CHAPTER.trans.txt found")
    for path in transcripts:
        # A link in the source has the name that counts, not the file or folder that it leads to.
        parents = (source.resolve() / path.relative_to(source)).parents[:3]
        chapter, speaker, split = (folder.name for folder in parents)
        fields = {"split": split, "speaker": speaker, "chapter": chapter}
        for line in read_lines(path):
            where = f"{path.relative_to(source)}:{line.number}"
            name, _, text = line.text.strip().partition(" ")
            error = line.error or ("" if name and "/" not in name else "the line does not begin with an utterance's id")
            yield Row(
                where,
                path.parent / f"{name}.flac",
                text.strip(),
                domain_of(domain, fields, where),
                speaker=speaker,
                error=error,
                id=name or None,
            )
