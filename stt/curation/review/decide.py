"""Decisions of people on the utterances of a manifest: those they keep, with the texts that they have mended."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stt.corpus import rejection
from stt.corpus.addresses import moved_rows
from stt.corpus.columns import decode_dictionary, with_column, without_columns
from stt.corpus.exporters.label_studio import REJECT
from stt.corpus.ingest import text_error
from stt.corpus.labels import HUMAN, LABELLED_BY
from stt.corpus.manifest import Manifest
from stt.curation.review.label_studio import Annotation
from stt.errors import InputError
from stt.files import write_csv
from stt.metrics.error_rate import character_error_rate
from stt.text.normalize import Normalizer, get_normalizer

KEPT, MENDED, REJECTED, UNDECIDED, UNKNOWN = "kept", "mended", "rejected", "undecided", "not in the manifest"
COLUMNS = ("id", "outcome", "reason", "by", "contradicted", "before", "after")


@dataclass(frozen=True)
class Decision:
    """What was decided on an utterance.

    Attributes:
        outcome: kept, mended, rejected or undecided.
        reason: why it is undecided.
        text: as it is now.
        by: who has decided.
        contradicted: whether others have decided otherwise.
    """

    outcome: str
    reason: str = ""
    text: str = ""
    by: str = ""
    contradicted: bool = False


@dataclass
class Decisions:
    """The decisions on a manifest.

    Attributes:
        manifest: the utterances.
        by_row: decisions by row; all other rows are undecided.
        unknown: ids that are not in the manifest.
    """

    manifest: Manifest
    by_row: dict[int, Decision] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def kept(self) -> list[int]:
        """The rows that are kept, in order."""
        return sorted(row for row, one in self.by_row.items() if one.outcome in (KEPT, MENDED))

    @property
    def contradicted(self) -> list[str]:
        """Ids of utterances on which people disagree."""
        rows = sorted(row for row, one in self.by_row.items() if one.contradicted)
        return [str(self.manifest.value(row, "id")) for row in rows]

    def counts(self) -> Counter[str]:
        """Count the rows by outcome, the undecided ones by reason as well."""
        named = (f"{one.outcome}: {one.reason}" if one.reason else one.outcome for one in self.by_row.values())
        counts = Counter(named)
        if rest := len(self.manifest) - len(self.by_row):
            counts[f"{UNDECIDED}: no annotation"] = rest
        return counts

    def table(self, folder: Path) -> pa.Table:
        """Return the rows that are kept, with audio as a manifest in `folder` addresses it.

        Where a text was mended, `labelled_by` is `human`, and `cer` is that of the hypothesis, if there is one.
        """
        table = moved_rows(self.manifest, folder).take(pa.array(self.kept, pa.int64()))
        table = without_columns(table, *rejection.COLUMNS)
        decisions = [self.by_row[row] for row in self.kept]
        mended = [one.outcome == MENDED for one in decisions]
        hypotheses = _strings(table, "hypothesis")
        columns = {"text": [one.text for one in decisions], "cer": table["cer"].to_pylist()}
        for i, one in enumerate(decisions):
            if mended[i]:
                hypothesis = hypotheses[i]
                cer = math.nan if hypothesis is None else character_error_rate(one.text, hypothesis)
                columns["cer"][i] = min(1.0, cer) if cer == cer else None
        if any(mended):
            columns[LABELLED_BY] = [
                HUMAN if new else before for new, before in zip(mended, _strings(table, LABELLED_BY), strict=True)
            ]
        for name, values in columns.items():
            kind = table.schema.field(name).type if name in ("text", "cer") else pa.string()
            table = with_column(table, name, pa.array(values, kind))
        return table

    def write_list(self, path: Path) -> None:
        """List every utterance with what was decided in a CSV file."""
        rows: list[Sequence[object]] = [COLUMNS]
        for row, name in enumerate(self.manifest.table["id"].to_pylist()):
            one = self.by_row.get(row, Decision(UNDECIDED, "no annotation"))
            after = one.text if one.outcome == MENDED else ""
            contradicted = "yes" if one.contradicted else ""
            rows.append([name, one.outcome, one.reason, one.by, contradicted, self.manifest.text(row), after])
        rows += ([name, UNKNOWN, "", "", "", "", ""] for name in self.unknown)
        write_csv(path, rows)


def decide(manifest: Manifest, annotations: Iterable[Annotation], source: str) -> Decisions:
    """Decide on the rows of a manifest.

    Of several annotations of an utterance, ground truth counts, else the one that was changed last. Mended texts are
    normalized as the manifest is.

    Args:
        manifest: rows with ids.
        annotations: of some of its utterances.
        source: where they come from, for messages.

    Raises:
        InputError: there are annotations, and none is of an utterance of the manifest.
    """
    by_id: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_id[annotation.utterance].append(annotation)
    rows = _rows(manifest, list(by_id))
    decisions = Decisions(manifest, unknown=[name for name in by_id if name not in rows])
    if by_id and not rows:
        names = ", ".join(map(str, manifest.files))
        raise InputError(
            f"{source}: none of its {len(by_id)} utterances, such as {next(iter(by_id))}, is in {names}: "
            "is it the export of another project?"
        )
    normalizer = get_normalizer(manifest.normalizer) if manifest.normalizer else None
    for name, row in rows.items():
        decisions.by_row[row] = _decide(by_id[name], manifest.text(row), normalizer)
    return decisions


def _decide(annotations: Sequence[Annotation], text: str, normalizer: Normalizer | None) -> Decision:
    given = [one for one in annotations if not one.cancelled]
    if not given:
        return Decision(UNDECIDED, "skipped")
    votes = [(one.rank, _vote(one, text, normalizer)) for one in given]
    _, decision = max(votes, key=lambda vote: vote[0])
    others = {(vote.outcome, vote.text) for _, vote in votes if vote.outcome != UNDECIDED}
    return Decision(decision.outcome, decision.reason, decision.text, decision.by, len(others) > 1)


def _vote(annotation: Annotation, text: str, normalizer: Normalizer | None) -> Decision:
    """Return what one annotation says of an utterance that has a text now."""
    if not annotation.decision:
        return Decision(UNDECIDED, "neither kept nor rejected", by=annotation.by)
    if annotation.decision == REJECT:
        return Decision(REJECTED, by=annotation.by)
    said = annotation.text if annotation.mended is None else annotation.mended
    if said and said == text:
        return Decision(KEPT, "", text, annotation.by)
    said, rejected = " ".join(said.split()), Counter[str]()
    if normalizer:
        normalized = normalizer(said)
        said, rejected = normalized.text, normalized.rejected
    if error := text_error(said, rejected):
        return Decision(UNDECIDED, error[0], by=annotation.by)
    return Decision(KEPT if said == text else MENDED, "", said, annotation.by)


def _rows(manifest: Manifest, names: list[str]) -> dict[str, int]:
    """Return the rows of those ids that are in the manifest."""
    found = pc.index_in(pa.array(names, pa.large_string()), value_set=manifest.table["id"].combine_chunks())
    return {name: row for name, row in zip(names, found.to_pylist(), strict=True) if row is not None}


def _strings(table: pa.Table, name: str) -> list[str | None]:
    """Return a column as strings; None in all rows if the table has no such column."""
    if name not in table.column_names:
        return [None] * len(table)
    cells = decode_dictionary(table[name].combine_chunks()).to_pylist()
    return [None if cell is None else str(cell) for cell in cells]
