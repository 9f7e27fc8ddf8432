"""The commands `stt dashboard ...`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stt.errors import InputError
from stt.files import write_text

app = typer.Typer(help="Dashboards at Weights & Biases.", no_args_is_help=True)


@app.callback()
def dashboard() -> None:
    """Dashboards at Weights & Biases."""


@app.command()
def push(
    project: str,
    entity: Annotated[str | None, typer.Option(help="user or team that owns the project (default: your own)")] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(help="run folder to read the metric names from (default: from W&B); may be repeated"),
    ] = None,
    dry_run: Annotated[Path | None, typer.Option(help="write the content to a JSON file instead of sending it")] = None,
) -> None:
    """Create a workspace and a report: error rates by domain, curriculum, gradients, throughput, utterances.

    Only logged metrics get a panel, so that none is empty; push again after adding a domain.
    """
    from stt.reports.run import Run  # imported here to keep --help fast
    from stt.runs import metric_names
    from stt.runs.folder import RunFolder
    from stt.training.tracking import dashboard as board
    from stt.training.tracking.panels import sections_for

    if run:
        logged = {name for folder in run for name in Run(folder, folder).metrics()}
        # Not in the CSV log: the steps, and the tables logged together with these files.
        logged |= {metric_names.STEP}
        logged |= {
            metric_names.utterance_table_name(split)
            for split in metric_names.PREFIX
            for folder in run
            if RunFolder(folder).recognized(split).is_file()
        }
    else:
        logged = board.logged_metrics(entity, project)
    sections = sections_for(logged)
    if not sections:
        raise InputError(
            f"no run of {project} has logged any metrics yet: train first, or give a run folder with --run"
        )
    count = sum(len(section.panels) for section in sections)
    if dry_run:
        owner = entity or "ENTITY"
        sent = {
            "workspace": board.to_json(board.workspace(owner, project, sections)),
            "report": board.to_json(board.report(owner, project, sections, known_project=False)),
        }
        write_text(dry_run, json.dumps(sent, indent=1) + "\n")
        print(f"{len(sections)} sections with {count} panels, written to {dry_run}")
        return
    for address in board.push(entity, project, sections):
        print(address)
