"""The commands `stt curriculum ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.corpus.manifest import read_manifests
from stt.errors import InputError
from stt.files import atomic_write

app = typer.Typer(help="Inspect the curriculum of a run.", no_args_is_help=True)


@app.callback()
def curriculum() -> None:
    """Inspect the curriculum of a run."""


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="run folder, or a checkpoint in it")],
    out: Annotated[Path | None, typer.Option(help="plot to write (default: curriculum.png in the run folder)")] = None,
    label_errors: Annotated[Path | None, typer.Option(help="table of suspected label errors to write (.csv)")] = None,
    manifest: Annotated[
        list[Path] | None, typer.Option(help="training manifest, if it was moved; may be repeated")
    ] = None,
) -> None:
    """Plot observed CER against target, beta, augmentation strength and the ledger; list suspected label errors."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.figure import Figure

    from stt.reports import curriculum as report  # imported here to keep --help fast
    from stt.reports.run import find_run

    source = find_run(run)
    plot_file = out or source.folder / "curriculum.png"
    kinds = Figure().canvas.get_supported_filetypes()
    kind = plot_file.suffix.lstrip(".").lower() or "png"
    if kind not in kinds:
        raise InputError(f"{plot_file}: a plot cannot be written as .{kind}, only as {', '.join(sorted(kinds))}")
    figure = report.plot(source)
    with atomic_write(plot_file) as temporary:
        figure.savefig(temporary, dpi=110, format=kind)
    print(f"plot: {plot_file}")
    if label_errors:
        count = report.write_label_errors(source, read_manifests(manifest or source.train_manifests()), label_errors)
        print(f"{count} suspected label errors: {label_errors}")
