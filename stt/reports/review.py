"""One self-contained page of rejected utterances: counts by rule and domain, and the worst of them with audio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from stt.metrics.alignment import alignment_html
from stt.progress import track
from stt.reports.embed import flac_uri, legend, svg_uri, template
from stt.reports.rejected import Floats, Rejected

MAX_SECONDS = 30.0  # of a player; an utterance may be rejected because it lasts an hour


@dataclass(frozen=True)
class Review:
    """A page, and how many utterances with audio it shows."""

    text: str
    players: int
    unreadable: int


def render_review(rejected: Rejected, name: str, per_domain: int) -> Review:
    """Render the page, with the worst `per_domain` utterances of each domain."""
    entries = list(_entries(rejected, per_domain))
    unreadable = sum(entry["audio"] is None for entry in entries)
    text = template("review.html").render(
        name=name,
        utterances=len(rejected.manifest),
        hours=_hours(rejected.manifest.durations),
        rules=_rule_rows(rejected),
        domains=_domain_rows(rejected),
        picture=svg_uri(rejected.plot_figures()),
        entries=entries,
        max_seconds=MAX_SECONDS,
        legend=legend(),
    )
    return Review(text, len(entries) - unreadable, unreadable)


def _rule_rows(rejected: Rejected) -> list[dict[str, Any]]:
    """Return a row for each rule, the most frequent first: utterances, hours, limits, and the range of figures."""
    rows = []
    for i, rule in enumerate(rejected.rules):
        mask = rejected.rule_index == i
        rows.append(
            {
                "rule": rule,
                "utterances": int(mask.sum()),
                "hours": _hours(rejected.manifest.durations[mask]),
                "limit": _range(rejected.limits[mask]),
                "figures": _range(rejected.figures[mask]),
                "median": _median(rejected.figures[mask]),
            }
        )
    return sorted(rows, key=lambda row: -row["utterances"])


def _domain_rows(rejected: Rejected) -> list[dict[str, Any]]:
    """Return a row for each domain: utterances, hours, and both of each rule."""
    manifest, count = rejected.manifest, len(rejected.rules)
    groups = manifest.domain_index.astype(np.int64) * count + rejected.rule_index
    size = len(manifest.domains) * count
    counts = np.bincount(groups, minlength=size).reshape(-1, count)
    hours = np.bincount(groups, manifest.durations / 3600, minlength=size).reshape(-1, count)
    return [
        {
            "domain": domain,
            "utterances": int(counts[i].sum()),
            "hours": float(hours[i].sum()),
            "cells": list(zip(counts[i].tolist(), hours[i].tolist(), strict=True)),
        }
        for i, domain in enumerate(manifest.domains)
    ]


def _entries(rejected: Rejected, per_domain: int) -> Iterator[dict[str, Any]]:
    manifest = rejected.manifest
    columns = {name for name in ("hypothesis", "reason") if name in manifest.table.column_names}
    for row in track(rejected.worst(per_domain).tolist(), "reading audio"):
        told = {name: manifest.value(row, name) for name in columns}
        seconds, (offset, duration) = float(manifest.durations[row]), manifest.window(row)
        cer = manifest.value(row, "cer")
        yield {
            "id": manifest.value(row, "id"),
            "name": manifest.name(row),
            "domain": manifest.value(row, "domain"),
            "rule": rejected.rules[rejected.rule_index[row]],
            "reason": told.get("reason") or "",
            "figure": _number(rejected.figures[row]),
            "limit": _number(rejected.limits[row]),
            "cer": None if cer is None or cer != cer else cer,
            "seconds": seconds,
            "text": _text(manifest.text(row), told.get("hypothesis")),
            "audio": flac_uri(manifest.audio(row), offset, MAX_SECONDS if seconds > MAX_SECONDS else duration),
        }


def _text(reference: str, hypothesis: object) -> Markup:
    """Return reference and hypothesis with their differences marked; the reference alone if nothing was recognized."""
    return escape(reference) if hypothesis is None else Markup(alignment_html(reference, str(hypothesis)))


def _hours(durations: Any) -> float:
    return float(durations.sum(dtype=np.float64)) / 3600


def _range(values: Floats) -> str:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return "–"
    low, high = _number(finite.min()), _number(finite.max())
    return low if low == high else f"{low} to {high}"


def _median(values: Floats) -> str:
    finite = values[np.isfinite(values)]
    return _number(np.median(finite)) if len(finite) else "–"


def _number(value: float | np.floating[Any]) -> str:
    return "–" if np.isnan(value) else f"{float(value):.4g}"
