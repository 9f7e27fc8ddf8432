"""One self-contained page about a run, or comparing several: plots, tables and utterances with audio."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from stt.errors import InputError
from stt.metrics.alignment import alignment_html
from stt.metrics.confusions import count_confusions
from stt.metrics.recognized import RecognizedUtterance, read_recognized, worst_per_domain
from stt.metrics.summary import metric_info, read_results
from stt.progress import track
from stt.recognition.description import extract_description
from stt.reports.confusions import most_frequent, plot_characters
from stt.reports.curriculum import plot
from stt.reports.curves import Curves, available_axes, logged_metrics, plot_by_domain, plot_speed, plot_training
from stt.reports.embed import flac_uri, legend, svg_uri, template
from stt.reports.generalization import gaps, plot_by_level, plot_gaps
from stt.reports.run import Run, option_values, steps_done
from stt.runs import metric_names
from stt.runs.folder import RunFolder

# Paths that every run has of its own.
OWN_PATHS = {"run", "ckpt_path", "trainer.default_root_dir", "best_checkpoint.dirpath", "last_checkpoint.dirpath"}
LONGEST_VALUE = 200  # characters of an option's value that are shown; a tokenizer inside a configuration has thousands


@dataclass(frozen=True)
class RunSummary:
    """The data of a run that the page shows."""

    name: str
    run: Run
    curves: Curves
    config: dict[str, Any]
    split: str  # `test`, or `validate` if the run was not tested
    recognized: list[RecognizedUtterance]
    results: dict[str, Any]  # of the test, with greedy decoding; empty if the run was not tested
    results_lm: dict[str, Any]  # with a language model
    parameters: int
    steps: int
    train_domains: list[str]


def load_run_summary(run: Run, name: str) -> RunSummary:
    """Read the files of a run folder.

    Raises:
        InputError: log, configuration or the recognized utterances of a validation or test are missing.
    """
    folder = RunFolder(run.folder)
    splits = [split for split in ("test", "validate") if folder.recognized(split).is_file()]
    if not splits:
        raise InputError(f"{run.folder}: no recognized utterances (recognized/*.jsonl): validate or test the run")
    items = read_recognized(folder.recognized(splits[0]))
    if not items:
        raise InputError(f"{folder.recognized(splits[0])}: contains no utterances")
    state = run.state()
    return RunSummary(
        name,
        run,
        run.metrics(),
        run.config(),
        splits[0],
        items,
        results=read_results(folder.results) if folder.results.is_file() else {},
        results_lm=read_results(folder.decoder_results) if folder.decoder_results.is_file() else {},
        parameters=sum(value.numel() for value in state["state_dict"].values()),
        steps=state["global_step"],
        train_domains=list(extract_description(state)["train_domains"]),
    )


def render_page(runs: Sequence[RunSummary], per_domain: int = 5) -> str:
    """Render the page, with the worst `per_domain` utterances of each domain."""
    curves = {summary.name: summary.curves for summary in runs}
    sets = {summary.name: summary.recognized for summary in runs}
    run_gaps = {summary.name: gaps(summary.recognized, summary.train_domains) for summary in runs}
    axes, metrics = available_axes(curves), _metrics(runs)
    return template("page.html").render(
        runs=[_overview(summary) for summary in runs],
        options=differing_options([summary.config for summary in runs]),
        axes=axes,
        metrics=metrics,
        by_domain=[
            (axis, name, title, svg_uri(plot_by_domain(curves, axis, name, title, unit)))
            for axis in axes
            for name, (title, unit) in metrics.items()
        ],
        training=svg_uri(plot_training(curves)),
        curricula=[(summary.name, svg_uri(plot(summary.run))) for summary in runs if _has_curriculum(summary)],
        speed=svg_uri(plot_speed(curves)),
        domains=_domain_rows(runs),
        gaps=run_gaps,
        gap_rows=[name for name, *_ in next(iter(run_gaps.values())).rows],
        gap_picture=svg_uri(plot_gaps(run_gaps)),
        level_picture=svg_uri(plot_by_level(sets)),
        legend=legend(),
        details=[_details(summary, per_domain) for summary in runs],
    )


def _metrics(runs: Sequence[RunSummary]) -> dict[str, tuple[str, str]]:
    """Return title and unit (from the test results) of every logged validation metric by domain."""
    known = {name: info for run in runs for name, info in metric_info(run.results).items()}
    titles = {}
    for name in logged_metrics({run.name: run.curves for run in runs}):
        plain = name.removesuffix(metric_names.DECODED)
        title, unit = known[plain].values() if plain in known else (plain, "")
        titles[name] = (title if name == plain else f"{title} with LM", unit)
    return titles


def _overview(summary: RunSummary) -> dict[str, Any]:
    """Return a run's row of the first table."""
    last = {name: curve[-1][1] for name, curve in summary.curves.items()}
    best = min(summary.curves.get(metric_names.BEST_CER, []), key=lambda point: point[1], default=None)
    speeds = [value for _, value in summary.curves.get(metric_names.SPEED, [])]
    return {
        "name": summary.name,
        "folder": str(summary.run.folder),
        "parameters": summary.parameters,
        "steps": summary.steps,
        "audio_hours": last.get(metric_names.AUDIO_HOURS),
        "device_hours": last.get(metric_names.DEVICE_HOURS),
        "passes": last.get(metric_names.PASSES),
        "best": best and (steps_done(best[0]), best[1]),
        "speed": statistics.median_high(speeds) if speeds else None,
        "waiting": last.get(metric_names.WAITING),
        "train": ", ".join(map(str, summary.run.train_manifests())),
        "init_from": summary.config["model"].get("init_from"),
    }


def differing_options(configs: Sequence[dict[str, Any]]) -> list[tuple[str, list[str | None]]]:
    """Return the options whose values differ between runs, sorted, with each run's value; None if it is not set."""
    options = [dict(option_values(config)) for config in configs]
    names = sorted(set().union(*options) - OWN_PATHS)
    rows = [(name, [values.get(name) for values in options]) for name in names]
    return [(name, [_shortened(value) for value in values]) for name, values in rows if len(set(values)) > 1]


def _shortened(value: str | None) -> str | None:
    if value is None or len(value) <= LONGEST_VALUE:
        return value
    return f"{value[:LONGEST_VALUE]}… ({len(value)} characters)"


def _domain_rows(runs: Sequence[RunSummary]) -> list[dict[str, Any]]:
    """Return a row for each domain: utterances, hours and each run's metrics, with and without a language model."""
    sources = [
        (summary.name, label, results)
        for summary in runs
        for label, results in (("", summary.results), ("with LM", summary.results_lm))
        if results
    ]
    names = dict.fromkeys(domain for *_, results in sources for domain in results["domains"])
    means = [
        name
        for name in (metric_names.MEAN, metric_names.IN_DOMAIN, metric_names.OUT_OF_DOMAIN)
        if any(name in r for *_, r in sources)
    ]
    rows = []
    for name in [*names, *means]:
        values_by_source = [results["domains"].get(name) or results.get(name) or {} for *_, results in sources]
        size: dict[str, Any] = next((values for values in values_by_source if "hours" in values), {})
        cells = [
            (f"{run} {label} {info['title']}, {info['unit']}", None if metric not in values else (values[metric], info))
            for (run, label, results), values in zip(sources, values_by_source, strict=True)
            for metric, info in metric_info(results).items()
        ]
        rows.append({"domain": name.replace("_", " ") if name in means else name, "cells": cells, "size": size})
    return rows


def _details(summary: RunSummary, per_domain: int) -> dict[str, Any]:
    """Return the confusions and the worst utterances of a run."""
    errors = count_confusions((item.reference, item.hypothesis) for item in summary.recognized)
    worst_items = worst_per_domain(summary.recognized, per_domain)
    return {
        "name": summary.name,
        "split": summary.split,
        "utterances": len(summary.recognized),
        "picture": svg_uri(plot_characters(errors)),
        "characters": most_frequent(errors.characters, errors.character_counts),
        "words": most_frequent(errors.words, errors.word_counts),
        "domains": sorted({item.domain for item in worst_items}),
        "worst": [
            {
                "item": item,
                "alignment": Markup(alignment_html(item.reference, item.hypothesis)),  # escaped there
                "audio": flac_uri(item.source, item.offset, item.seconds),
            }
            for item in track(worst_items, f"audio of {summary.name}")
        ],
    }


def _has_curriculum(summary: RunSummary) -> bool:
    return any(name.startswith(metric_names.curriculum_metric_name("beta", "")) for name in summary.curves)
