"""Files of an alignment: what is kept, what is not (as a list, and as a manifest to review), and the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from stt.audio.source import relative_address
from stt.corpus.columns import check_domains
from stt.corpus.manifest import write_manifest
from stt.corpus.provenance import Step
from stt.curation.align.align import LOW_SCORE, TOO_LONG, TOO_SHORT, Aligned, AlignedPiece
from stt.curation.align.pieces import Lengths
from stt.files import write_csv, write_text
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
    ids = [f"{id_prefix}{audio.stem}-{i:06d}" for i in range(1, len(kept) + 1)]
    table = _table(kept, ids, audio, out.parent, domain)
    write_manifest(table, out, normalizer, replace(step, rows_out={domain: len(kept)}))


def write_review(
    aligned: Aligned, audio: Path, out: Path, domain: str, normalizer: str, id_prefix: str, lengths: Lengths, step: Step
) -> int:
    """Write a manifest of those rejected pieces that have times, to be reviewed by a person; return their number.

    The columns `rule`, `figure` and `limit` say why each was rejected. Without such pieces, none is written.

    Args:
        aligned: pieces that are kept and rejected.
        audio: the recording.
        out: the manifest.
        domain: of all pieces.
        normalizer: name of the normalizer of their texts.
        id_prefix: before each id, which contains the number of the first word in the text.
        lengths: wanted durations of pieces.
        step: record of the alignment, without the rows that come out.
    """
    pieces = [piece for piece in aligned.rejected if piece.end > piece.start]
    if not pieces:
        out.unlink(missing_ok=True)  # of an earlier alignment
        return 0
    limits = {LOW_SCORE: aligned.min_score, TOO_SHORT: lengths.least, TOO_LONG: lengths.most}
    ids = [f"{id_prefix}{audio.stem}-word-{piece.first + 1:06d}" for piece in pieces]
    table = _table(pieces, ids, audio, out.parent, domain)
    columns = {
        "rule": pa.array([piece.reason for piece in pieces], pa.string()),
        "figure": pa.array([_figure(piece) for piece in pieces], pa.float64()),
        "limit": pa.array([limits.get(piece.reason) for piece in pieces], pa.float64()),
        "hypothesis": pa.array([piece.hypothesis for piece in pieces], pa.string()),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    write_manifest(table, out, normalizer, replace(step, rows_out={domain: len(pieces)}))
    return len(pieces)


def _table(pieces: Sequence[AlignedPiece], ids: Sequence[str], audio: Path, folder: Path, domain: str) -> pa.Table:
    """Return pieces that have times as the rows of a manifest in a folder."""
    address = relative_address(str(audio), folder.resolve())
    return pa.table(
        {
            "id": ids,
            "audio": [address] * len(pieces),
            "offset": [round(piece.start, 3) for piece in pieces],
            "duration": [round(piece.end - piece.start, 3) for piece in pieces],
            "text": [piece.text for piece in pieces],
            "domain": [domain] * len(pieces),
            "cer": [min(1.0, piece.cer) for piece in pieces],
            "original": [piece.original for piece in pieces],
            "score": [round(piece.score, 4) for piece in pieces],
        }
    )


def _figure(piece: AlignedPiece) -> float | None:
    """Return what the limit of a piece's reason is compared with; None if the reason has no limit."""
    if piece.reason in (TOO_SHORT, TOO_LONG):
        return round(piece.end - piece.start, 3)
    return round(piece.score, 4) if piece.reason == LOW_SCORE else None


def write_rejected(rejected: Sequence[AlignedPiece], path: Path) -> None:
    """List the pieces that are not kept in a CSV file, with the reason and figures; what is not found has no times."""
    rows: list[Sequence[object]] = [REJECTED]
    for piece in rejected:
        figures = [piece.start, piece.end, piece.score, piece.cer]
        cells = ["" if value != value else f"{value:.3f}" for value in figures]
        rows.append([piece.first + 1, *cells, piece.reason, piece.original])
    write_csv(path, rows)


def write_words(aligned: Aligned, path: Path, file_format: str) -> None:
    """Write the words that are found, in their original wording, as subtitles or a TextGrid."""
    content = render(aligned.transcript, file_format, aligned.name, "")
    write_text(path, content, errors="backslashreplace")
