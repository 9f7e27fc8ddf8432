"""The dashboard as W&B objects: a workspace, and a report to be filled in."""

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
RUNS = 20  # whose metrics are looked up
COLUMNS, WIDTH, HEIGHT = 3, 8, 6  # W&B's grid has 24 columns


def workspace(entity: str, project: str, sections: Sequence[Section]) -> ws.Workspace:
    """Build a workspace from sections."""
    built = [ws.Section(name=one.title, panels=[_panel(p) for p in one.panels], is_open=True) for one in sections]
    return ws.Workspace(entity=entity, project=project, name=VIEW, sections=built)


def report(entity: str, project: str, sections: Sequence[Section], known_project: bool) -> wr.Report:
    """Build a report from sections, with placeholders for text between them.

    Args:
        entity: owner of the project.
        project: project of the runs.
        sections: sections to show.
        known_project: refer to the project in the run sets, which requires a connection to W&B.
    """
    runs = {"entity": entity, "project": project} if known_project else {}
    blocks: list[Any] = [wr.P("Model, data and purpose of these runs: ..."), wr.TableOfContents()]
    for one in sections:
        panels = [_panel(panel, index) for index, panel in enumerate(one.panels)]
        blocks += [wr.H2(one.title), wr.PanelGrid(runsets=[wr.Runset(name="runs", **runs)], panels=panels)]
        blocks.append(wr.P("Observations: ..."))
    return wr.Report(entity=entity, project=project, title=f"{project}: {VIEW}", blocks=blocks, width="fluid")


def to_json(board: ws.Workspace | wr.Report) -> dict[str, Any]:
    """Return the JSON content that would be sent to W&B."""
    content: dict[str, Any] = json.loads(board._to_model().model_dump_json(by_alias=True, exclude_none=True))
    return content


def push(entity: str | None, project: str, sections: Sequence[Section]) -> list[str]:
    """Create a workspace and a report at W&B, and return their URLs.

    Raises:
        InputError: W&B refuses, or the user is not logged in.
    """
    try:
        owner = entity or str(wandb.Api().default_entity)
        saved = [workspace(owner, project, sections).save(), report(owner, project, sections, True).save()]
    except Exception as error:  # wandb and its transport raise many kinds
        raise InputError(
            f"W&B did not accept the dashboard ({error}): log in with wandb login, or use --dry-run"
        ) from error
    return [one.url for one in saved]


def logged_metrics(entity: str | None, project: str) -> set[str]:
    """Return the names of the metrics logged by the newest runs of a project.

    Raises:
        InputError: W&B does not answer, or the user is not logged in.
    """
    try:
        api = wandb.Api()
        newest = api.runs(f"{entity or api.default_entity}/{project}", per_page=RUNS, order="-created_at")
        return {name for _, run in zip(range(RUNS), newest, strict=False) for name in run.summary.keys()}  # noqa: SIM118
    except Exception as error:
        raise InputError(
            f"cannot get the runs of {project} from W&B ({error}): give a run folder with --run"
        ) from error


def _panel(panel: Panel, index: int | None = None) -> Any:
    layout = {}
    if index is not None:
        width = 24 if panel.kind == "table" else WIDTH
        layout = {"layout": wr.Layout(x=index % COLUMNS * WIDTH, y=index // COLUMNS * HEIGHT, w=width, h=HEIGHT)}
    if panel.kind == "table":
        return wr.WeavePanelSummaryTable(table_name=panel.metrics[0], **layout)
    if panel.kind == "bars":
        return wr.BarPlot(title=panel.title, metrics=list(panel.metrics), title_x=panel.label, **layout)
    return wr.LinePlot(title=panel.title, x=panel.axis, y=list(panel.metrics), title_y=panel.label, **layout)
