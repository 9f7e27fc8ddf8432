"""Figures by domain as logged metrics, as a table to read and as the JSON of `test_metrics.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stt.files import atomic_write
from stt.metrics.by_domain import Figures, mean_over_domains
from stt.metrics.domain_metric import METRICS, DomainMetric, shown
from stt.runs.metric_names import IN_DOMAIN, MEAN, OUT_OF_DOMAIN, Split, domain_metric_name


def groups(figures: dict[str, Figures], train_domains: Sequence[str] | None) -> dict[str, dict[str, Figures]]:
    """Split figures into all, trained-on and not-trained-on domains; empty groups are not named.

    Where nobody knows what was trained on (None), there is only the group of all.
    """
    split = {MEAN: figures}
    if train_domains is not None:
        split[IN_DOMAIN] = {domain: one for domain, one in figures.items() if domain in train_domains}
        split[OUT_OF_DOMAIN] = {domain: one for domain, one in figures.items() if domain not in train_domains}
    return {name: members for name, members in split.items() if members}


def logged(
    figures: dict[str, Figures], split: Split, train_domains: Sequence[str], ending: str = ""
) -> dict[str, float]:
    """Lay figures out for a log: every metric of every domain, and its means; `ending` ends the metrics' names."""
    values = {domain: one.values for domain, one in figures.items()}
    means = {name: mean_over_domains(members) for name, members in groups(figures, train_domains).items()}
    return {
        domain_metric_name(split, metric + ending, name): value
        for name, metrics in (values | means).items()
        for metric, value in metrics.items()
    }


def summarize(
    figures: dict[str, Figures],
    train_domains: Sequence[str] | None,
    normalizer: str,
    metrics: Sequence[DomainMetric] = METRICS,
) -> dict[str, Any]:
    """Make the content of `test_metrics.json`: the normalizer, what was measured, means, and every domain."""

    def row(domain: str, one: Figures) -> dict[str, Any]:
        return one.row() | ({} if train_domains is None else {"in_training": domain in train_domains})

    return {
        "normalizer": normalizer,
        "metrics": {metric.name: {"title": metric.title, "unit": metric.unit} for metric in metrics},
        **{name: mean_over_domains(members) for name, members in groups(figures, train_domains).items()},
        "domains": {domain: row(domain, one) for domain, one in figures.items()},
    }


def metrics_of(results: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What results were measured in: title and unit by name; those of version 0.1 do not say and have CER and WER."""
    known = {metric.name: {"title": metric.title, "unit": metric.unit} for metric in METRICS}
    return dict(results.get("metrics", known))


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write results by domain as JSON."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def print_table(results: dict[str, Any]) -> None:
    """Print results by domain."""
    metrics = metrics_of(results)
    table = Table(title=f"test results, normalizer {results['normalizer']}, CER counts spaces")
    titles = [f"{one['title']} {one['unit']}" for one in metrics.values()]
    for column in ("domain", "in training", "utterances", "hours", *titles):
        table.add_column(column, justify="left" if column == "domain" else "right")

    def cells(values: dict[str, float]) -> list[str]:
        return [shown(values[name], one["unit"]) for name, one in metrics.items()]

    for domain, row in results["domains"].items():
        trained = {True: "yes", False: "no", None: "?"}[row.get("in_training")]
        table.add_row(domain, trained, str(row["utterances"]), f"{row['hours']:.2f}", *cells(row))
    for name in (MEAN, IN_DOMAIN, OUT_OF_DOMAIN):
        if name in results:
            table.add_row(name.replace("_", " "), "", "", "", *cells(results[name]))
    if results["skipped"]:
        table.caption = f"{len(results['skipped'])} utterances could not be read and are left out"
    Console().print(table)
