"""What a dashboard shows: sections of panels, each with the metrics in it; nothing here knows W&B."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from stt.metrics.domain_metric import METRICS
from stt.runs import metric_names as names

Kind = Literal["lines", "bars", "table"]


@dataclass(frozen=True)
class Panel:
    """One picture: metrics over an axis; a name that ends with `/*` stands for all domains."""

    title: str
    metrics: tuple[str, ...]
    axis: str = names.STEP
    label: str = ""  # of the values, with their unit
    kind: Kind = "lines"


@dataclass(frozen=True)
class Section:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


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
            Panel(
                "observed CER",
                (names.curriculum_metric_name("observed_cer", names.EVERY_DOMAIN),),
                label="CER of what is trained on",
            ),
            Panel("target CER", (names.curriculum_metric_name("target_cer", names.EVERY_DOMAIN),), label="CER"),
            Panel("beta", (names.curriculum_metric_name("beta", names.EVERY_DOMAIN),), label="> 0 easier, < 0 harder"),
            Panel(
                "augmentation strength",
                (names.curriculum_metric_name("strength", names.EVERY_DOMAIN),),
                label="0..1, on top of what all have",
            ),
            Panel(
                "label_errors", (names.curriculum_metric_name("label_errors", names.EVERY_DOMAIN),), label="utterances"
            ),
            Panel(
                "effective number",
                (names.curriculum_metric_name("effective_utterances", names.EVERY_DOMAIN),),
                label="utterances",
            ),
            Panel(
                "share seen",
                (names.curriculum_metric_name("seen_share", names.EVERY_DOMAIN),),
                label="share of the domain",
            ),
        ),
    ),
    Section(
        "forgetting",
        (
            Panel("CER above the parent's", (f"{names.FORGETTING}/{names.EVERY_DOMAIN}",), label="CER, difference"),
            Panel("most forgotten", (f"{names.FORGETTING}/{names.WORST}",), label="CER, difference"),
        ),
    ),
    Section(
        "gradients",
        (
            Panel("norm and limit", (names.CLIP_NORM, names.CLIP_LIMIT), label="norm of the gradient"),
            Panel("clipped", (names.CLIPPED,), label="share of the steps"),
            Panel("skipped", (names.SKIPPED_STEPS,), label="steps"),
            Panel("learning rate", (names.LEARNING_RATE,), label="learning rate"),
        ),
    ),
    Section(
        "throughput",
        (
            Panel("audio trained on", (names.SPEED,), label="s/s"),
            Panel("waiting for data", (names.WAITING,), label="share of the time"),
            Panel("clipping", (names.CLIP_TIME,), label="share of the time"),
        ),
    ),
    Section(
        "utterances",
        (
            Panel("worst of each domain, validation", (names.utterance_table_name("validate"),), kind="table"),
            Panel("worst of each domain, test", (names.utterance_table_name("test"),), kind="table"),
        ),
    ),
)


def sections_for(logged: Iterable[str]) -> tuple[Section, ...]:
    """Sections with the names that were logged; panels and sections of which none was are left out."""
    found = set(logged)
    sections = []
    for section in (_domain_section(found), *SECTIONS):
        panels = [replace(panel, metrics=tuple(_logged(panel, found))) for panel in section.panels]
        kept = tuple(p for p in panels if p.metrics and (p.kind != "lines" or p.axis in found))
        if kept:
            sections.append(replace(section, panels=kept))
    return tuple(sections)


def _domain_section(logged: set[str]) -> Section:
    """A panel for every metric by domain that was logged, of the validations and of the test."""
    titles = {metric.name: metric.title for metric in METRICS}
    panels = []
    splits: tuple[tuple[names.Split, str, Kind], ...] = (("validate", "", "lines"), ("test", "test ", "bars"))
    for split, what, kind in splits:
        for name in sorted(names.logged_domain_metrics(logged, split)):
            plain = name.removesuffix(names.DECODED)
            title = titles.get(plain, plain)
            searched = "" if name == plain else ", decoder of the configuration"
            metric = names.domain_metric_name(split, name, names.EVERY_DOMAIN)
            axis = names.DEVICE_HOURS if kind == "lines" else names.STEP
            panels.append(Panel(f"{what}{title} by domain{searched}", (metric,), axis, title, kind))
    sides = tuple(
        names.domain_metric_name("validate", "cer", group) for group in (names.IN_DOMAIN, names.OUT_OF_DOMAIN)
    )
    panels.append(Panel("trained on and not", sides, names.DEVICE_HOURS, "CER"))
    return Section(BY_DOMAIN, tuple(panels))


def _logged(panel: Panel, logged: set[str]) -> list[str]:
    found: list[str] = []
    for metric in panel.metrics:
        if metric.endswith(f"/{names.EVERY_DOMAIN}"):
            plain = metric.removesuffix(f"/{names.EVERY_DOMAIN}")
            found += [f"{plain}/{domain}" for domain in names.logged_domains(logged, plain)]
        elif metric in logged:
            found.append(metric)
    return found
