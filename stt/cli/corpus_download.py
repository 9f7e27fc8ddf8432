"""The commands `stt corpus download CORPUS`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.corpus.open_stt.download import choose, download, read_release

app = typer.Typer(help="Download a corpus.", no_args_is_help=True)


@app.callback()
def corpora() -> None:
    """Download a corpus."""


@app.command("open_stt")
def open_stt(
    out: Annotated[Path, typer.Option(help="folder of the corpus")],
    only: Annotated[list[str] | None, typer.Option(help="data set to download; may be repeated")] = None,
    root: Annotated[str, typer.Option(help="address of a mirror, with archives/ and manifests/ under it")] = "",
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="keep archives after extraction")] = False,
) -> None:
    """Download data sets of Open STT (Russian, CC-BY-NC 4.0), compare them with their sums, and extract them.

    A download that was interrupted resumes; what is complete is not downloaded again. Without --only, all names and
    sizes are listed. `stt corpus import open_stt FOLDER` imports the result.
    """
    address, sets = read_release()
    for name in choose(only or []):
        count = download(name, out, root or address, keep_archives)
        print(f"{name}: " + ("was complete already" if count is None else f"{count:,} files extracted to {out}"))
        if not sets[name].texts:
            print(f"{name}: the archive has no texts, its authors give them out by a form; see docs/corpora.md")
