"""The work on one shard: every row gets the machine's text and its score, and the errors where the text is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from stt.corpus.addresses import moved_rows
from stt.corpus.manifest import Manifest
from stt.corpus.sharding.shards import BadRow, Part
from stt.curation.recognize import Model, RecognizedRow, recognize
from stt.data.batch import Skipped
from stt.metrics.error_rate import word_edits

TEXT, SCORE, EDITS, WORDS = (f"label.{name}" for name in ("text", "score", "edits", "words"))  # of the work folder
COLUMNS = {TEXT: pa.large_string(), SCORE: pa.float64(), EDITS: pa.int32(), WORDS: pa.int32()}


@dataclass(frozen=True)
class Labeller:
    """Recognizes shards, in other processes.

    Attributes:
        model: what recognizes.
        folder: that of the new manifest, from which audio is addressed.
    """

    model: Model
    folder: Path

    def __call__(self, rows: Manifest, name: str) -> Part:
        """Return the readable rows, in order, with four columns more: text and score, word edits and reference words.

        The last two are null for a row without a text.
        """
        bad: list[BadRow] = []
        labels: dict[int, tuple[str, float, int | None, int | None]] = {}
        for batch in recognize(*self.model.load(), rows):
            for one in batch:
                if isinstance(one, Skipped):
                    bad.append(BadRow(rows.where(one.row), one.kind, one.reason))
                else:
                    labels[one.row] = (one.hypothesis, one.score, *_errors(one))
        kept = sorted(labels)
        table = moved_rows(rows, self.folder).take(pa.array(kept, pa.int64()))
        columns = zip(*(labels[row] for row in kept), strict=True) if kept else [()] * len(COLUMNS)
        for (column, kind), values in zip(COLUMNS.items(), columns, strict=True):
            table = table.append_column(column, pa.array(list(values), kind))
        return Part(table, bad)


def _errors(row: RecognizedRow) -> tuple[int | None, int | None]:
    if not row.reference:
        return None, None
    return word_edits(row.reference, row.hypothesis), len(row.reference.split())
