"""The commands `stt curriculum ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.corpus.manifest import read_manifests
from stt.files import atomic_write

app = typer.Typer(help="Look at the curriculum of a run.", no_args_is_help=True)


@app.callback()
def curriculum() -> None:
    """Look at the curriculum of a run."""


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="run folder, or a checkpoint in one")],
    out: Annotated[Path | None, typer.Option(help="picture to write (default: curriculum.png in the run)")] = None,
    label_errors: Annotated[Path | None, typer.Option(help="table to write of what looks mislabelled (.csv)")] = None,
    manifest: Annotated[
        list[Path] | None, typer.Option(help="training manifest, where it was moved; may be given several times")
    ] = None,
) -> None:
    """Draw observed CER against target, beta, augmentation strength and the ledger; list suspected label errors."""
    import matplotlib as mpl

    mpl.use("agg")
    from stt.reports import curriculum as report  # takes seconds to import, which --help should not
    from stt.reports.run import find_run

    found = find_run(run)
    picture = out or found.folder / "curriculum.png"
    figure = report.plot(found)
    with atomic_write(picture) as temporary:
        figure.savefig(temporary, dpi=110, format=picture.suffix.lstrip(".") or "png")
    print(f"picture: {picture}")
    if label_errors:
        count = report.write_label_errors(found, read_manifests(manifest or found.train_manifests()), label_errors)
        print(f"{count} suspected label errors: {label_errors}")
