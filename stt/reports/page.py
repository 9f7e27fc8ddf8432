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
from stt.metrics.alignment import coloured
from stt.metrics.confusions import confusions
from stt.metrics.recognized import Recognized, read_recognized, recognized_file, worst
from stt.progress import track
from stt.recognition.description import description_of
from stt.reports.confusions import draw_characters, top
from stt.reports.curriculum import PREFIX, draw
from stt.reports.curves import Curves, axes_of, draw_error_rates, draw_speed, draw_training
from stt.reports.generalization import draw_by_level, draw_gaps, gaps
from stt.reports.run import Run

PLAYED_RATE = 16_000  # Hz
TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Told:
    """A run as the page tells it."""

    name: str
    run: Run
    curves: Curves
    config: dict[str, Any]
    split: str  # `test`, or `validate` where nothing was tested
    recognized: list[Recognized]
    results: dict[str, Any]  # of the test, greedy; empty where nothing was tested
    results_lm: dict[str, Any]  # with a language model
    parameters: int
    steps: int
    train_domains: list[str]


def told(run: Run, name: str) -> Told:
    """Read what a run has left in its folder.

    Raises:
        InputError: it has no log, no configuration, or neither a validation nor a test that kept its utterances.
    """
    splits = [split for split in ("test", "validate") if recognized_file(run.folder, split).is_file()]
    if not splits:
        raise InputError(f"{run.folder}: no recognized utterances (recognized/*.jsonl): validate or test the run")
    items = read_recognized(recognized_file(run.folder, splits[0]))
    if not items:
        raise InputError(f"{recognized_file(run.folder, splits[0])}: holds no utterance")
    state = run.state()
    return Told(
        name,
        run,
        run.metrics(),
        run.config(),
        splits[0],
        items,
        results=_json(run.folder / "test_metrics.json"),
        results_lm=_json(run.folder / "test_metrics_lm.json"),
        parameters=sum(value.numel() for value in state["state_dict"].values()),
        steps=state["global_step"],
        train_domains=list(description_of(state)["train_domains"]),
    )


def page(runs: Sequence[Told], per_domain: int = 5) -> str:
    """Make the page, with the worst utterances of each domain."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.2f}"
    curves = {one.name: one.curves for one in runs}
    sets = {one.name: one.recognized for one in runs}
    found = {one.name: gaps(one.recognized, one.train_domains) for one in runs}
    axes = axes_of(curves)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        runs=[_facts(one) for one in runs],
        axes=axes,
        error_rates=[
            (axis, kind, _picture(draw_error_rates(curves, axis, kind))) for axis in axes for kind in ("cer", "wer")
        ],
        training=_picture(draw_training(curves)),
        curricula=[(one.name, _picture(draw(one.run))) for one in runs if _has_curriculum(one)],
        speed=_picture(draw_speed(curves)),
        domains=_domain_rows(runs),
        gaps=found,
        gap_rows=[name for name, *_ in next(iter(found.values())).rows],
        gap_picture=_picture(draw_gaps(found)),
        level_picture=_picture(draw_by_level(sets)),
        details=[_details(one, per_domain) for one in runs],
    )


def _facts(one: Told) -> dict[str, Any]:
    """What stands in the first table."""
    last = {name: curve[-1][1] for name, curve in one.curves.items()}
    best = min(one.curves.get("val/cer/mean", []), key=lambda point: point[1], default=None)
    speeds = sorted(value for _, value in one.curves.get("throughput/audio_seconds_per_second", []))
    return {
        "name": one.name,
        "folder": str(one.run.folder),
        "parameters": one.parameters,
        "steps": one.steps,
        "audio_hours": last.get("progress/audio_hours"),
        "device_hours": last.get("progress/device_hours"),
        "passes": last.get("progress/passes"),
        "best": best,
        "speed": speeds[len(speeds) // 2] if speeds else None,
        "waiting": last.get("throughput/waiting_for_data"),
        "train": ", ".join(map(str, one.run.train_manifests())),
        "init_from": one.config["model"].get("init_from"),
    }


def _domain_rows(runs: Sequence[Told]) -> list[dict[str, Any]]:
    """A row for each domain: utterances and hours, and for each run CER and WER, with a language model where used."""
    sources = [
        (one.name, label, results)
        for one in runs
        for label, results in (("", one.results), ("with LM", one.results_lm))
        if results
    ]
    names = dict.fromkeys(domain for *_, results in sources for domain in results["domains"])
    means = [name for name in ("mean", "in_domain", "out_of_domain") if any(name in r for *_, r in sources)]
    rows = []
    for name in [*names, *means]:
        cells = [(run, label, results["domains"].get(name) or results.get(name)) for run, label, results in sources]
        size: dict[str, Any] = next((cell for *_, cell in cells if cell and "hours" in cell), {})
        rows.append({"domain": name.replace("_", " ") if name in means else name, "cells": cells, "size": size})
    return rows


def _details(one: Told, per_domain: int) -> dict[str, Any]:
    """Confusions and the worst utterances of a run."""
    counted = confusions((item.reference, item.hypothesis) for item in one.recognized)
    shown = worst(one.recognized, per_domain)
    return {
        "name": one.name,
        "split": one.split,
        "utterances": len(one.recognized),
        "picture": _picture(draw_characters(counted)),
        "characters": top(counted.characters, counted.character_counts),
        "words": top(counted.words, counted.word_counts),
        "domains": sorted({item.domain for item in shown}),
        "worst": [
            {
                "item": item,
                "alignment": Markup(coloured(item.reference, item.hypothesis)),  # escaped there
                "audio": _audio(item),
            }
            for item in track(shown, f"audio of {one.name}")
        ],
    }


def _audio(item: Recognized) -> str | None:
    """Audio as a data address; None where the file is gone."""
    try:
        waveform = read_audio(item.audio, PLAYED_RATE, item.offset, item.seconds)
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


def _has_curriculum(one: Told) -> bool:
    return any(name.startswith(f"{PREFIX}beta/") for name in one.curves)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
