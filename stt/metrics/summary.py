"""Error rates by domain as a table to read and as the JSON of `test_metrics.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stt.files import written_aside
from stt.metrics.error_rate import ErrorRate, mean_over_domains


def groups(rates: dict[str, ErrorRate], train_domains: Sequence[str] | None) -> dict[str, dict[str, ErrorRate]]:
    """Split error rates into all, trained-on and not-trained-on domains; empty groups are not named.

    Where nobody knows what was trained on (None), there is only the group of all.
    """
    split = {"mean": rates}
    if train_domains is not None:
        split["in_domain"] = {domain: rate for domain, rate in rates.items() if domain in train_domains}
        split["out_of_domain"] = {domain: rate for domain, rate in rates.items() if domain not in train_domains}
    return {name: members for name, members in split.items() if members}


def summarize(rates: dict[str, ErrorRate], train_domains: Sequence[str] | None, normalizer: str) -> dict[str, Any]:
    """Make the content of `test_metrics.json`: the normalizer, means, and every domain."""

    def row(domain: str, rate: ErrorRate) -> dict[str, Any]:
        return asdict(rate) | ({} if train_domains is None else {"in_training": domain in train_domains})

    return {
        "normalizer": normalizer,
        **{name: mean_over_domains(members) for name, members in groups(rates, train_domains).items()},
        "domains": {domain: row(domain, rate) for domain, rate in rates.items()},
    }


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write results by domain as JSON."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def print_table(results: dict[str, Any]) -> None:
    """Print results by domain."""
    table = Table(title=f"test results, normalizer {results['normalizer']}, CER counts spaces")
    for column in ("domain", "in training", "utterances", "hours", "CER %", "WER %"):
        table.add_column(column, justify="left" if column == "domain" else "right")
    for domain, rate in results["domains"].items():
        trained = {True: "yes", False: "no", None: "?"}[rate.get("in_training")]
        size = [str(rate["utterances"]), f"{rate['hours']:.2f}"]
        table.add_row(domain, trained, *size, f"{100 * rate['cer']:.2f}", f"{100 * rate['wer']:.2f}")
    for name in ("mean", "in_domain", "out_of_domain"):
        if name in results:
            mean = results[name]
            table.add_row(name.replace("_", " "), "", "", "", f"{100 * mean['cer']:.2f}", f"{100 * mean['wer']:.2f}")
    if results["left_out"]:
        table.caption = f"{len(results['left_out'])} utterances could not be read and are left out"
    Console().print(table)
