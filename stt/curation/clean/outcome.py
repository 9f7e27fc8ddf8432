"""The outcome of cleaning: the table that is kept, the table that is rejected, and what is said of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stt.corpus import rejection
from stt.corpus.addresses import moved_rows
from stt.corpus.columns import COLUMNS, with_column, without_columns
from stt.corpus.manifest import Manifest
from stt.corpus.memory_map import filter_rows
from stt.curation.clean.evidence import Evidence, Mask
from stt.curation.clean.rules import NAMES, Verdict

EXAMPLES = 3  # of each rule


def kept_table(evidence: Evidence, verdict: Verdict, folder: Path) -> pa.Table:
    """Return the kept rows for a manifest in `folder`, with the CER that was measured."""
    table = filter_rows(_with_cer(moved_rows(evidence.manifest, folder), evidence), verdict.kept)
    return without_columns(table, *rejection.COLUMNS)


def rejected_table(evidence: Evidence, verdict: Verdict, folder: Path) -> pa.Table:
    """Return the rejected rows for a manifest in `folder`, with rule, figure, limit, reason and hypothesis."""
    rows = np.flatnonzero(~verdict.kept)
    table = filter_rows(_with_cer(moved_rows(evidence.manifest, folder), evidence), ~verdict.kept)
    columns = {
        "rule": pa.array([NAMES[rule] for rule in verdict.rule[rows].tolist()], pa.string()),
        "figure": pa.array(verdict.figures[rows], pa.float64(), from_pandas=True),
        "limit": pa.array(verdict.limits[rows], pa.float64(), from_pandas=True),
        "reason": pa.array(["; ".join(verdict.reasons[row]) for row in rows.tolist()], pa.large_string()),
        "hypothesis": hypotheses(evidence).take(pa.array(rows)),
    }
    for name, column in columns.items():
        table = with_column(table, name, column)
    return table


def hypotheses(evidence: Evidence) -> pa.ChunkedArray:
    """Return what was recognized in every row (row,): by the recognizer, else by the training that suspects it."""
    heard = evidence.figures["hypothesis"]
    if evidence.suspects is None or heard.null_count < len(heard):
        return heard
    texts = evidence.suspects.hypotheses
    return pa.chunked_array([pa.array([texts.get(row) for row in range(len(evidence))], pa.large_string())])


def summary(manifest: Manifest, verdict: Verdict) -> dict[str, str]:
    """Return, for people, how much each rule rejects in which domains, and the hours before and after."""
    notes = {}
    for rule, name in enumerate(NAMES):
        rejected = verdict.rule == rule
        if rejected.any():
            notes[f"rejected by {name}"] = f"{int(rejected.sum()):,}: {_by_domain(manifest, rejected)}"
    notes |= {f"rule {name}": what for name, what in verdict.lacking.items()}
    before, after = _hours(manifest, np.ones(len(manifest), np.bool_)), _hours(manifest, verdict.kept)
    parts = [f"{name} {hours:.2f} -> {after[name]:.2f}" for name, hours in before.items()]
    notes["hours"] = f"{sum(before.values()):.2f} -> {sum(after.values()):.2f}: {', '.join(parts)}"
    return notes


def examples(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """Format a few rows of each rule, with what is known of them."""
    manifest, heard = evidence.manifest, hypotheses(evidence)
    for rule, name in enumerate(NAMES):
        rows = np.flatnonzero(verdict.rule == rule)
        if len(rows):
            yield f"{name}: {len(rows):,} of {len(manifest):,} rows"
        for row in rows[:EXAMPLES].tolist():
            yield f"  {manifest.value(row, 'id')} ({manifest.value(row, 'domain')}, {manifest.name(row)})"
            yield f"    {'; '.join(verdict.reasons[row])}"
            yield f"    text: {manifest.text(row)}"
            if (hypothesis := heard[row].as_py()) is not None:
                yield f"    heard: {hypothesis}"


def _with_cer(table: pa.Table, evidence: Evidence) -> pa.Table:
    """Replace the column `cer` where a recognizer has measured it; as elsewhere it is 0..1."""
    cers = evidence.figure("cer")
    if np.isnan(cers).all():
        return table
    measured = pa.chunked_array([pa.array(np.minimum(cers, 1), COLUMNS["cer"], from_pandas=True)])
    return with_column(table, "cer", pc.coalesce(measured, table["cer"]))


def _by_domain(manifest: Manifest, rows: Mask) -> str:
    counts = np.bincount(manifest.domain_index[rows], minlength=len(manifest.domains))
    return ", ".join(f"{name} {count:,}" for name, count in zip(manifest.domains, counts, strict=True) if count)


def _hours(manifest: Manifest, rows: Mask) -> dict[str, float]:
    seconds = np.bincount(
        manifest.domain_index[rows], weights=manifest.durations[rows], minlength=len(manifest.domains)
    )
    return dict(zip(manifest.domains, (seconds / 3600).tolist(), strict=True))
