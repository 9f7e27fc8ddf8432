"""Results by domain as logged metrics, as a printed table and as `test_metrics.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stt.errors import InputError, reason
from stt.files import write_text
from stt.metrics.domain_metric import METRICS, DomainMetric, format_value
from stt.metrics.domain_results import DomainResult, mean_over_domains
from stt.runs.metric_names import IN_DOMAIN, MEAN, OUT_OF_DOMAIN, Split, domain_metric_name


def group_domains(
    results: dict[str, DomainResult], train_domains: Sequence[str] | None
) -> dict[str, dict[str, DomainResult]]:
    """Group results into all, in-domain and out-of-domain; empty groups are omitted.

    If the training domains are unknown (None), there is only the group of all domains.
    """
    groups = {MEAN: results}
    if train_domains is not None:
        groups[IN_DOMAIN] = {domain: result for domain, result in results.items() if domain in train_domains}
        groups[OUT_OF_DOMAIN] = {domain: result for domain, result in results.items() if domain not in train_domains}
    return {name: members for name, members in groups.items() if members}


def values_to_log(
    results: dict[str, DomainResult], split: Split, train_domains: Sequence[str], suffix: str = ""
) -> dict[str, float]:
    """Return every metric of every domain, and the means, by logged name; `suffix` is appended to metric names."""
    values = {domain: result.values for domain, result in results.items()}
    means = {name: mean_over_domains(members) for name, members in group_domains(results, train_domains).items()}
    return {
        domain_metric_name(split, metric + suffix, name): value
        for name, metrics in (values | means).items()
        for metric, value in metrics.items()
    }


def summarize(
    results: dict[str, DomainResult],
    train_domains: Sequence[str] | None,
    normalizer: str,
    metrics: Sequence[DomainMetric] = METRICS,
) -> dict[str, Any]:
    """Return the content of `test_metrics.json`: normalizer, metrics, means, and every domain."""

    def row(domain: str, result: DomainResult) -> dict[str, Any]:
        return result.row() | ({} if train_domains is None else {"in_training": domain in train_domains})

    return {
        "normalizer": normalizer,
        "metrics": {metric.name: {"title": metric.title, "unit": metric.unit} for metric in metrics},
        **{name: mean_over_domains(members) for name, members in group_domains(results, train_domains).items()},
        "domains": {domain: row(domain, result) for domain, result in results.items()},
    }


def metric_info(results: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return title and unit of each metric in results; version 0.1 did not store them and had only CER and WER."""
    known = {metric.name: {"title": metric.title, "unit": metric.unit} for metric in METRICS}
    return dict(results.get("metrics", known))


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write results by domain as JSON."""
    write_text(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")


def read_results(path: Path) -> dict[str, Any]:
    """Read results written by `write_results`.

    Raises:
        InputError: the file is not one of results by domain.
    """
    try:
        results: dict[str, Any] = json.loads(path.read_bytes())
        domains = results["domains"]
        for row in domains.values():
            if not {"utterances", "hours"} <= set(row):
                raise ValueError("a domain without utterances or hours")
        means = [results[name] for name in (MEAN, IN_DOMAIN, OUT_OF_DOMAIN) if name in results]
        if not all(
            value is None or isinstance(value, int | float)
            for row in (*domains.values(), *means)
            for value in row.values()
        ):
            raise TypeError("a value that is not a number")
        for info in metric_info(results).values():
            if set(info) != {"title", "unit"} or not all(isinstance(one, str) for one in info.values()):
                raise ValueError("a metric without title or unit")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not results by domain ({reason(error)})") from error
    return results


def print_table(results: dict[str, Any]) -> None:
    """Print results by domain."""
    metrics = metric_info(results)
    table = Table(title=f"test results, normalizer {results['normalizer']}, CER counts spaces")
    titles = [f"{metric['title']} {metric['unit']}" for metric in metrics.values()]
    skipped = {domain: row.get("skipped", 0) for domain, row in results["domains"].items()}
    size = ["utterances", "hours", *(["skipped"] if any(skipped.values()) else [])]
    for column in ("domain", "in training", *size, *titles):
        table.add_column(column, justify="left" if column == "domain" else "right")

    def cells(values: dict[str, float]) -> list[str]:
        return [format_value(values[name], metric["unit"]) for name, metric in metrics.items()]

    for domain, row in results["domains"].items():
        trained = {True: "yes", False: "no", None: "?"}[row.get("in_training")]
        sizes = [str(row["utterances"]), f"{row['hours']:.2f}", str(skipped[domain])][: len(size)]
        table.add_row(escape(domain), trained, *sizes, *cells(row))
    for name in (MEAN, IN_DOMAIN, OUT_OF_DOMAIN):
        if name in results:
            table.add_row(name.replace("_", " "), "", *([""] * len(size)), *cells(results[name]))
    if any(skipped.values()):
        table.caption = f"{sum(skipped.values())} utterances were skipped: the results are over the others"
    Console().print(table)
