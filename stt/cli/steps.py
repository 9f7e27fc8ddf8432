"""The commands `stt corpus STEP`, one for each step, and those for what steps leave behind: merge and history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from stt.cli.options import REQUIRED, Manifests, Parameter, SkipBad, add_command
from stt.corpus.manifest import Manifest, check_manifest_name, read_manifests
from stt.corpus.merge import merge_manifest
from stt.corpus.provenance import read_step
from stt.corpus.sharding.engine import Engine
from stt.curation.steps import steps
from stt.errors import InputError

CLUSTER = Annotated[str, typer.Option(help="work on the Dask cluster with this scheduler, such as tcp://HOST:8786")]
Workers = Annotated[int | None, typer.Option(help="parallel processes; default: one per core", min=1, max=1000)]
SHARED: dict[str, Parameter] = {
    "manifests": (Manifests, REQUIRED),
    "out": (Annotated[Path, typer.Option(help="what to create")], REQUIRED),
    "workers": (Workers, None),
    "cluster": (CLUSTER, ""),
    "skip_bad": (SkipBad, False),
}


def add_steps(app: typer.Typer) -> None:
    """Add the commands to `stt corpus`."""
    for name, step in steps().items():
        add_command(app, name, step, _run, SHARED, given=("engine",))
    app.command()(merge)
    app.command()(history)


def merge(
    manifests: Annotated[list[Path], typer.Argument(help="manifests")],
    out: Annotated[Path, typer.Option(help="manifest to write (.parquet)")],
) -> None:
    """Write several manifests as one: their columns are united, and ids must differ."""
    check_manifest_name(out)
    step = merge_manifest(read_manifests(manifests), out)
    print(f"{sum(step.rows_out.values())} rows written to {out}")


def history(manifest: Annotated[Path, typer.Argument(help="manifest (.parquet)")]) -> None:
    """Print the steps that a manifest comes from: options, time, input, and rows in and out by domain."""
    if not manifest.is_file():
        raise InputError(f"{manifest}: manifest not found")
    step = read_step(manifest)
    for line in step.lines() if step else [f"{manifest}: nothing is recorded of how it was made"]:
        print(line)


def _run(
    step: Callable[..., Manifest | None], manifests: list[Path], workers: int | None, cluster: str, **options: Any
) -> None:
    result = step(read_manifests(manifests), engine=Engine(workers, cluster), **options)
    if result is None:  # a step that was only tried
        return
    record = read_step(result.path)
    if record is not None:
        for kind, count in record.skipped.items():
            print(f"skipped: {kind}: {count} rows")
        for name, value in record.notes.items():
            print(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")
    print(f"{len(result)} rows, {result.durations.sum(dtype='float64') / 3600:.2f} hours, written to {result.path}")
