"""What a dashboard shows: sections of panels, each with the metrics in it; nothing here knows W&B."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

GROUPS = frozenset({"mean", "in_domain", "out_of_domain", "under_limit", "worst"})  # logged beside the domains
EVERY_DOMAIN = "/*"
Kind = Literal["lines", "bars", "table"]


@dataclass(frozen=True)
class Panel:
    """One picture: metrics over an axis; a name that ends with `/*` stands for all domains."""

    title: str
    metrics: tuple[str, ...]
    axis: str = "trainer/global_step"
    label: str = ""  # of the values, with their unit
    kind: Kind = "lines"


@dataclass(frozen=True)
class Section:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


AXES = {
    "device hours": "progress/device_hours",
    "audio hours": "progress/audio_hours",
    "passes over the data": "progress/passes",
    "steps": "trainer/global_step",
}
SECTIONS = (
    Section(
        "error rates by domain",
        (
            Panel("CER by domain", ("val/cer/*",), AXES["device hours"], "CER"),
            Panel("WER by domain", ("val/wer/*",), AXES["device hours"], "WER"),
            Panel("CER by domain, beam search", ("val/cer_lm/*",), AXES["device hours"], "CER"),
            Panel("WER by domain, beam search", ("val/wer_lm/*",), AXES["device hours"], "WER"),
            Panel("trained on and not", ("val/cer/in_domain", "val/cer/out_of_domain"), AXES["device hours"], "CER"),
            Panel("test CER by domain", ("test/cer/*",), label="CER", kind="bars"),
            Panel("test WER by domain", ("test/wer/*",), label="WER", kind="bars"),
        ),
    ),
    Section(
        "convergence",
        (
            *(Panel(f"mean CER over {name}", ("val/cer/mean",), axis, "CER") for name, axis in AXES.items()),
            Panel("loss", ("train/loss", "val/loss"), label="CTC loss per token"),
        ),
    ),
    Section(
        "curriculum",
        (
            Panel("observed CER", ("curriculum/observed_cer/*",), label="CER of what is trained on"),
            Panel("target CER", ("curriculum/target_cer/*",), label="CER"),
            Panel("beta", ("curriculum/beta/*",), label="> 0 easier, < 0 harder"),
            Panel("augmentation strength", ("curriculum/strength/*",), label="0..1, on top of what all have"),
            Panel("suspects", ("curriculum/suspects/*",), label="utterances"),
            Panel("effective number", ("curriculum/effective_utterances/*",), label="utterances"),
            Panel("share seen", ("curriculum/seen_share/*",), label="share of the domain"),
        ),
    ),
    Section(
        "forgetting",
        (
            Panel("CER above the parent's", ("forgetting/cer/*",), label="CER, difference"),
            Panel("most forgotten", ("forgetting/cer/worst",), label="CER, difference"),
        ),
    ),
    Section(
        "gradients",
        (
            Panel("norm and limit", ("clip/norm", "clip/limit"), label="norm of the gradient"),
            Panel("clipped", ("clip/share_clipped",), label="share of the steps"),
            Panel("skipped", ("clip/skipped_steps",), label="steps"),
            Panel("learning rate", ("lr/pg1",), label="learning rate"),
        ),
    ),
    Section(
        "throughput",
        (
            Panel("audio trained on", ("throughput/audio_seconds_per_second",), label="s/s"),
            Panel("waiting for data", ("throughput/waiting_for_data",), label="share of the time"),
            Panel("clipping", ("clip/time_share",), label="share of the time"),
        ),
    ),
    Section(
        "utterances",
        (
            Panel("worst of each domain, validation", ("val/utterances",), kind="table"),
            Panel("worst of each domain, test", ("test/utterances",), kind="table"),
        ),
    ),
)


def filled(logged: Iterable[str]) -> tuple[Section, ...]:
    """Sections with the names that were logged; panels and sections of which none was are left out."""
    names = set(logged)
    sections = []
    for section in SECTIONS:
        panels = [replace(panel, metrics=tuple(_logged(panel, names))) for panel in section.panels]
        kept = tuple(p for p in panels if p.metrics and (p.kind != "lines" or p.axis in names))
        if kept:
            sections.append(replace(section, panels=kept))
    return tuple(sections)


def _logged(panel: Panel, names: set[str]) -> list[str]:
    found: list[str] = []
    for metric in panel.metrics:
        if metric.endswith(EVERY_DOMAIN):
            prefix = metric.removesuffix("*")
            domains = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
            found += [prefix + domain for domain in sorted(domains - GROUPS)]
        elif metric in names:
            found.append(metric)
    return found
