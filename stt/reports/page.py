"""One self-contained page about one run, or several compared: pictures, tables, and utterances to listen to."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
from markupsafe import Markup
from matplotlib.figure import Figure

from stt.audio.io import AudioError, encode_flac, read_audio
from stt.errors import InputError
from stt.metrics.alignment import alignment_html, deletion_html, insertion_html
from stt.metrics.confusions import count_confusions
from stt.metrics.domain_metric import format_value
from stt.metrics.recognized import RecognizedUtterance, read_recognized, worst_per_domain
from stt.metrics.summary import metric_info
from stt.progress import track
from stt.recognition.description import description_of
from stt.reports.confusions import plot_characters, top
from stt.reports.curriculum import plot
from stt.reports.curves import Curves, axes_of, measured, plot_by_domain, plot_speed, plot_training
from stt.reports.generalization import gaps, plot_by_level, plot_gaps
from stt.reports.run import Run
from stt.runs import metric_names
from stt.runs.folder import RunFolder

PLAYED_RATE = 16_000  # Hz
TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class RunSummary:
    """A run as the page tells it."""

    name: str
    run: Run
    curves: Curves
    config: dict[str, Any]
    split: str  # `test`, or `validate` where nothing was tested
    recognized: list[RecognizedUtterance]
    results: dict[str, Any]  # of the test, greedy; empty where nothing was tested
    results_lm: dict[str, Any]  # with a language model
    parameters: int
    steps: int
    train_domains: list[str]


def load_run_summary(run: Run, name: str) -> RunSummary:
    """Read what a run has left in its folder.

    Raises:
        InputError: it has no log, no configuration, or neither a validation nor a test that kept its utterances.
    """
    folder = RunFolder(run.folder)
    splits = [split for split in ("test", "validate") if folder.recognized(split).is_file()]
    if not splits:
        raise InputError(f"{run.folder}: no recognized utterances (recognized/*.jsonl): validate or test the run")
    items = read_recognized(folder.recognized(splits[0]))
    if not items:
        raise InputError(f"{folder.recognized(splits[0])}: holds no utterance")
    state = run.state()
    return RunSummary(
        name,
        run,
        run.metrics(),
        run.config(),
        splits[0],
        items,
        results=_json(folder.results),
        results_lm=_json(folder.decoder_results),
        parameters=sum(value.numel() for value in state["state_dict"].values()),
        steps=state["global_step"],
        train_domains=list(description_of(state)["train_domains"]),
    )


def page(runs: Sequence[RunSummary], per_domain: int = 5) -> str:
    """Make the page, with the worst utterances of each domain."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.2f}"
    environment.filters["figure"] = lambda cell: "–" if cell is None else format_value(cell[0], cell[1]["unit"])
    curves = {one.name: one.curves for one in runs}
    sets = {one.name: one.recognized for one in runs}
    found = {one.name: gaps(one.recognized, one.train_domains) for one in runs}
    axes, metrics = axes_of(curves), _metrics(runs)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        runs=[_facts(one) for one in runs],
        axes=axes,
        metrics=metrics,
        by_domain=[
            (axis, name, title, _picture(plot_by_domain(curves, axis, name, title, unit)))
            for axis in axes
            for name, (title, unit) in metrics.items()
        ],
        training=_picture(plot_training(curves)),
        curricula=[(one.name, _picture(plot(one.run))) for one in runs if _has_curriculum(one)],
        speed=_picture(plot_speed(curves)),
        domains=_domain_rows(runs),
        gaps=found,
        gap_rows=[name for name, *_ in next(iter(found.values())).rows],
        gap_picture=_picture(plot_gaps(found)),
        level_picture=_picture(plot_by_level(sets)),
        legend=Markup(f"{deletion_html('reference only')} {insertion_html('hypothesis only')}"),
        details=[_details(one, per_domain) for one in runs],
    )


def _metrics(runs: Sequence[RunSummary]) -> dict[str, tuple[str, str]]:
    """Title and unit of every metric by domain that the validations have logged; the tests say what they are."""
    known = {name: one for run in runs for name, one in metric_info(run.results).items()}
    found = {}
    for name in measured({run.name: run.curves for run in runs}):
        plain = name.removesuffix(metric_names.DECODED)
        title, unit = known[plain].values() if plain in known else (plain, "")
        found[name] = (title if name == plain else f"{title} with LM", unit)
    return found


def _facts(one: RunSummary) -> dict[str, Any]:
    """What stands in the first table."""
    last = {name: curve[-1][1] for name, curve in one.curves.items()}
    best = min(one.curves.get(metric_names.BEST_CER, []), key=lambda point: point[1], default=None)
    speeds = sorted(value for _, value in one.curves.get(metric_names.SPEED, []))
    return {
        "name": one.name,
        "folder": str(one.run.folder),
        "parameters": one.parameters,
        "steps": one.steps,
        "audio_hours": last.get(metric_names.AUDIO_HOURS),
        "device_hours": last.get(metric_names.DEVICE_HOURS),
        "passes": last.get(metric_names.PASSES),
        "best": best,
        "speed": speeds[len(speeds) // 2] if speeds else None,
        "waiting": last.get(metric_names.WAITING),
        "train": ", ".join(map(str, one.run.train_manifests())),
        "init_from": one.config["model"].get("init_from"),
    }


def _domain_rows(runs: Sequence[RunSummary]) -> list[dict[str, Any]]:
    """A row for each domain: utterances and hours, and for each run what was measured, also with a language model."""
    sources = [
        (one.name, label, results)
        for one in runs
        for label, results in (("", one.results), ("with LM", one.results_lm))
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
        found = [results["domains"].get(name) or results.get(name) or {} for *_, results in sources]
        size: dict[str, Any] = next((values for values in found if "hours" in values), {})
        cells = [
            (f"{run} {label} {one['title']}, {one['unit']}", None if metric not in values else (values[metric], one))
            for (run, label, results), values in zip(sources, found, strict=True)
            for metric, one in metric_info(results).items()
        ]
        rows.append({"domain": name.replace("_", " ") if name in means else name, "cells": cells, "size": size})
    return rows


def _details(one: RunSummary, per_domain: int) -> dict[str, Any]:
    """Confusions and the worst utterances of a run."""
    counted = count_confusions((item.reference, item.hypothesis) for item in one.recognized)
    shown = worst_per_domain(one.recognized, per_domain)
    return {
        "name": one.name,
        "split": one.split,
        "utterances": len(one.recognized),
        "picture": _picture(plot_characters(counted)),
        "characters": top(counted.characters, counted.character_counts),
        "words": top(counted.words, counted.word_counts),
        "domains": sorted({item.domain for item in shown}),
        "worst": [
            {
                "item": item,
                "alignment": Markup(alignment_html(item.reference, item.hypothesis)),  # escaped there
                "audio": _audio(item),
            }
            for item in track(shown, f"audio of {one.name}")
        ],
    }


def _audio(item: RecognizedUtterance) -> str | None:
    """Audio as a data address; None where the file is gone."""
    try:
        waveform = read_audio(item.source, PLAYED_RATE, item.offset, item.seconds)
    except AudioError:
        return None
    return "data:audio/flac;base64," + base64.b64encode(encode_flac(waveform, PLAYED_RATE)).decode()


def _picture(figure: Figure | None) -> str | None:
    """Picture as a data address; closes the figure."""
    if figure is None:
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _has_curriculum(one: RunSummary) -> bool:
    return any(name.startswith(metric_names.curriculum_metric_name("beta", "")) for name in one.curves)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
