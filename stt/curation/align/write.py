"""Files of an alignment: the manifest of what is kept, a list of what is not, subtitles and TextGrids of words."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from stt.audio.source import relative_address
from stt.corpus.columns import check_domains
from stt.corpus.manifest import write_manifest
from stt.corpus.provenance import Step
from stt.curation.align.align import Aligned, AlignedPiece
from stt.files import atomic_write
from stt.recognition.formats import render

REJECTED = ("first_word", "start", "end", "score", "cer", "reason", "text")


def write_pieces(
    kept: Sequence[AlignedPiece], audio: Path, out: Path, domain: str, normalizer: str, id_prefix: str, step: Step
) -> None:
    """Write a manifest of pieces, whose audio is parts of the recording; the original wording is a column.

    Args:
        kept: the pieces.
        audio: the recording.
        out: the manifest.
        domain: of all pieces.
        normalizer: name of the normalizer of their texts.
        id_prefix: before each id.
        step: record of the alignment, without the rows that come out.

    Raises:
        InputError: the domain has a reserved name.
    """
    check_domains([domain], "--domain")
    address = relative_address(str(audio), out.parent.resolve())
    table = pa.table(
        {
            "id": [f"{id_prefix}{audio.stem}-{i:06d}" for i in range(1, len(kept) + 1)],
            "audio": [address] * len(kept),
            "offset": [round(piece.start, 3) for piece in kept],
            "duration": [round(piece.end - piece.start, 3) for piece in kept],
            "text": [piece.text for piece in kept],
            "domain": [domain] * len(kept),
            "cer": [min(1.0, piece.cer) for piece in kept],
            "original": [piece.original for piece in kept],
            "score": [round(piece.score, 4) for piece in kept],
        }
    )
    write_manifest(table, out, normalizer, replace(step, rows_out={domain: len(kept)}))


def write_rejected(rejected: Sequence[AlignedPiece], path: Path) -> None:
    """List the pieces that are not kept in a CSV file, with the reason and figures; what is not found has no times."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(REJECTED)
        for piece in rejected:
            figures = [piece.start, piece.end, piece.score, piece.cer]
            cells = ["" if value != value else f"{value:.3f}" for value in figures]
            writer.writerow([piece.first + 1, *cells, piece.reason, piece.original])


def write_words(aligned: Aligned, path: Path, file_format: str) -> None:
    """Write the words that are found, in their original wording, as subtitles or a TextGrid."""
    content = render(aligned.transcript, file_format, aligned.name, "")
    with atomic_write(path) as temporary:
        temporary.write_text(content, encoding="utf-8", errors="backslashreplace")
