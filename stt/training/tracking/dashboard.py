"""The dashboard as W&B's own objects: a workspace, and a report to write into."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import wandb
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from stt.errors import InputError
from stt.training.tracking.panels import Panel, Section

VIEW = "speech-to-text by domain"
COLUMNS, WIDTH, HEIGHT = 3, 8, 6  # a row of W&B's grid is 24 wide


def workspace(entity: str, project: str, sections: Sequence[Section]) -> ws.Workspace:
    """Make a workspace of sections."""
    made = [ws.Section(name=one.title, panels=[_panel(p) for p in one.panels], is_open=True) for one in sections]
    return ws.Workspace(entity=entity, project=project, name=VIEW, sections=made)


def report(entity: str, project: str, sections: Sequence[Section], known_project: bool) -> wr.Report:
    """Make a report of sections, with room for words between them.

    Args:
        entity: who owns it.
        project: where the runs are.
        sections: what to show.
        known_project: name the project in the sets of runs, which W&B must then be asked for.
    """
    runs = {"entity": entity, "project": project} if known_project else {}
    blocks: list[Any] = [wr.P("What was trained, on what, and why: ..."), wr.TableOfContents()]
    for one in sections:
        panels = [_panel(panel, place) for place, panel in enumerate(one.panels)]
        blocks += [wr.H2(one.title), wr.PanelGrid(runsets=[wr.Runset(name="runs", **runs)], panels=panels)]
        blocks.append(wr.P("What is seen here: ..."))
    return wr.Report(entity=entity, project=project, title=f"{project}: {VIEW}", blocks=blocks, width="fluid")


def plain(made: ws.Workspace | wr.Report) -> dict[str, Any]:
    """What would be sent to W&B."""
    content: dict[str, Any] = json.loads(made._to_model().model_dump_json(by_alias=True, exclude_none=True))
    return content


def push(entity: str | None, project: str, sections: Sequence[Section]) -> list[str]:
    """Create both at W&B; gives their addresses.

    Raises:
        InputError: W&B refuses, or nobody is logged in.
    """
    try:
        owner = entity or str(wandb.Api().default_entity)
        saved = [workspace(owner, project, sections).save(), report(owner, project, sections, True).save()]
    except Exception as error:  # wandb and its transport raise many kinds
        raise InputError(
            f"W&B has not taken the dashboard ({error}); log in with wandb login, or use --dry-run"
        ) from error
    return [one.url for one in saved]


def metrics_of(entity: str | None, project: str, runs: int = 20) -> set[str]:
    """Names that the newest runs of a project have logged.

    Raises:
        InputError: W&B does not answer, or nobody is logged in.
    """
    try:
        api = wandb.Api()
        found = api.runs(f"{entity or api.default_entity}/{project}", per_page=runs, order="-created_at")
        return {name for _, run in zip(range(runs), found, strict=False) for name in run.summary.keys()}  # noqa: SIM118
    except Exception as error:
        raise InputError(
            f"W&B cannot be asked for the runs of {project} ({error}): name a run folder with --run"
        ) from error


def _panel(panel: Panel, place: int | None = None) -> Any:
    layout = {}
    if place is not None:
        width = 24 if panel.kind == "table" else WIDTH
        layout = {"layout": wr.Layout(x=place % COLUMNS * WIDTH, y=place // COLUMNS * HEIGHT, w=width, h=HEIGHT)}
    if panel.kind == "table":
        return wr.WeavePanelSummaryTable(table_name=panel.metrics[0], **layout)
    if panel.kind == "bars":
        return wr.BarPlot(title=panel.title, metrics=list(panel.metrics), title_x=panel.label, **layout)
    return wr.LinePlot(title=panel.title, x=panel.axis, y=list(panel.metrics), title_y=panel.label, **layout)
