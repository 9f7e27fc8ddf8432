"""Contents of the dashboard: sections of panels with their metrics, independent of W&B."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from stt.metrics.domain_metric import METRICS
from stt.runs import metric_names as names

Kind = Literal["lines", "bars", "table"]


@dataclass(frozen=True)
class Panel:
    """One chart: metrics over an axis; a metric name that ends with `/*` stands for all domains."""

    title: str
    metrics: tuple[str, ...]
    axis: str = names.STEP
    label: str = ""  # of the value axis, with the unit
    kind: Kind = "lines"


@dataclass(frozen=True)
class Section:
    """A titled group of panels."""

    title: str
    panels: tuple[Panel, ...]


def _curriculum(title: str, value: str, label: str) -> Panel:
    return Panel(title, (names.curriculum_metric_name(value, names.EVERY_DOMAIN),), label=label)


BY_DOMAIN = "error rates by domain"
SECTIONS = (
    Section(
        "convergence",
        (
            *(Panel(f"mean CER over {name}", (names.BEST_CER,), axis, "CER") for name, axis in names.AXES.items()),
            Panel("loss", (names.TRAIN_LOSS, names.VALIDATION_LOSS), label="CTC loss per token"),
        ),
    ),
    Section(
        "curriculum",
        (
            _curriculum("observed CER", "observed_cer", "CER on training data"),
            _curriculum("target CER", "target_cer", "CER"),
            _curriculum("beta", "beta", "> 0 easier, < 0 harder"),
            _curriculum("share of the augmentation strength", "strength_share", "0..1, of the base strength"),
            _curriculum("augmentation strength", "strength", "0..1, in addition to the base strength"),
            _curriculum("released", "released", "1: sampled uniformly"),
            _curriculum("suspected label errors", "label_errors", "utterances"),
            _curriculum("effective number", "effective_utterances", "utterances"),
            _curriculum("fraction seen", "seen_share", "fraction of the domain"),
        ),
    ),
    Section(
        "forgetting",
        (
            Panel(
                "CER increase over the parent", (f"{names.FORGETTING}/{names.EVERY_DOMAIN}",), label="CER, difference"
            ),
            Panel("largest CER increase", (f"{names.FORGETTING}/{names.WORST}",), label="CER, difference"),
        ),
    ),
    Section(
        "gradients",
        (
            Panel("gradient norm and limit", (names.CLIP_NORM, names.CLIP_LIMIT), label="gradient norm"),
            Panel("clipped steps", (names.CLIPPED,), label="fraction of steps"),
            Panel("skipped steps", (names.SKIPPED_STEPS,), label="steps"),
            Panel("learning rate", (names.LEARNING_RATE,), label="learning rate"),
        ),
    ),
    Section(
        "throughput",
        (
            Panel("RTFx", (names.SPEED,), label="audio seconds per second"),
            Panel("waiting for data", (names.WAITING,), label="fraction of time"),
            Panel("clipping", (names.CLIP_TIME,), label="fraction of time"),
        ),
    ),
    Section(
        "utterances",
        (
            Panel("worst utterances by domain, validation", (names.utterance_table_name("validate"),), kind="table"),
            Panel("worst utterances by domain, test", (names.utterance_table_name("test"),), kind="table"),
        ),
    ),
)


def sections_for(logged: Iterable[str]) -> tuple[Section, ...]:
    """Return the sections for the logged metrics, without panels and sections that would be empty."""
    names_logged = set(logged)
    sections = []
    for section in (_domain_section(names_logged), *SECTIONS):
        panels = [replace(panel, metrics=tuple(_logged(panel, names_logged))) for panel in section.panels]
        kept = tuple(p for p in panels if p.metrics and (p.kind != "lines" or p.axis in names_logged))
        if kept:
            sections.append(replace(section, panels=kept))
    return tuple(sections)


def _domain_section(logged: set[str]) -> Section:
    """Return panels for all logged metrics by domain, for validation and test."""
    titles = {metric.name: metric.title for metric in METRICS}
    panels = []
    splits: tuple[tuple[names.Split, str, Kind], ...] = (("validate", "", "lines"), ("test", "test ", "bars"))
    for split, title_prefix, kind in splits:
        for name in sorted(names.logged_domain_metrics(logged, split)):
            base = name.removesuffix(names.DECODED)
            title = titles.get(base, base)
            decoder = "" if name == base else ", configured decoder"
            metric = names.domain_metric_name(split, name, names.EVERY_DOMAIN)
            axis = names.DEVICE_HOURS if kind == "lines" else names.STEP
            panels.append(Panel(f"{title_prefix}{title} by domain{decoder}", (metric,), axis, title, kind))
    means = tuple(
        names.domain_metric_name("validate", "cer", group) for group in (names.IN_DOMAIN, names.OUT_OF_DOMAIN)
    )
    skipped = names.domain_metric_name("validate", names.SKIPPED_UTTERANCES, names.EVERY_DOMAIN)
    panels.append(Panel("skipped utterances by domain", (skipped,), names.DEVICE_HOURS, "utterances"))
    panels.append(Panel("in domain and out of domain", means, names.DEVICE_HOURS, "CER"))
    return Section(BY_DOMAIN, tuple(panels))


def _logged(panel: Panel, logged: set[str]) -> list[str]:
    matching: list[str] = []
    for metric in panel.metrics:
        if metric.endswith(f"/{names.EVERY_DOMAIN}"):
            base = metric.removesuffix(f"/{names.EVERY_DOMAIN}")
            matching += [f"{base}/{domain}" for domain in names.logged_domains(logged, base)]
        elif metric in logged:
            matching.append(metric)
    return matching
