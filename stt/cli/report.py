"""The command `stt report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.files import write_text

app = typer.Typer()


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="run folders; several are compared")],
    out: Annotated[Path, typer.Option(help="page to write (.html)")],
    worst: Annotated[int, typer.Option(help="worst utterances per domain to include with audio", min=0)] = 5,
) -> None:
    """Write a self-contained page: curves, tables by domain, gaps, confusions, worst utterances, speed."""
    import matplotlib as mpl

    mpl.use("agg")
    from stt.reports.page import load_run_summary, render_page  # imported here to keep --help fast
    from stt.reports.run import find_run

    sources = [find_run(run) for run in runs]
    names = [run.folder.resolve().name for run in sources]
    if len(set(names)) < len(names):
        names = [str(run.folder) for run in sources]
    text = render_page([load_run_summary(run, name) for run, name in zip(sources, names, strict=True)], worst)
    write_text(out, text, errors="backslashreplace")  # file names need not be UTF-8
    print(f"{out}: {len(text) / 1e6:.1f} MB, opens in any browser")
