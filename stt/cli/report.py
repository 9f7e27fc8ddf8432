"""The command `stt report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.files import atomic_write

app = typer.Typer()


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="run folders; several are compared")],
    out: Annotated[Path, typer.Option(help="page to write (.html)")],
    worst: Annotated[int, typer.Option(help="utterances of each domain to listen to", min=0)] = 5,
) -> None:
    """Write one page that needs nothing else: curves, tables by domain, gaps, confusions, worst utterances, speed."""
    import matplotlib as mpl

    mpl.use("agg")
    from stt.reports.page import load_run_summary, render_page  # takes seconds to import, which --help should not
    from stt.reports.run import find_run

    found = [find_run(run) for run in runs]
    names = [run.folder.resolve().name for run in found]
    if len(set(names)) < len(names):
        names = [str(run.folder) for run in found]
    text = render_page([load_run_summary(run, name) for run, name in zip(found, names, strict=True)], worst)
    with atomic_write(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{out}: {len(text) / 1e6:.1f} MB, opens in any browser")
