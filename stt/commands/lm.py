"""The commands `python -m stt lm ...`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from stt.corpus.manifest import read_manifest
from stt.errors import InputError
from stt.progress import track
from stt.text.normalize import get_normalizer

app = typer.Typer(help="Make language models.", no_args_is_help=True)
TABLES = frozenset({".parquet", ".csv", ".tsv", ".jsonl", ".json"})


@app.callback()
def lm() -> None:
    """Make language models."""


@app.command()
def train(
    texts: Annotated[list[Path], typer.Argument(help="text files, a sentence a line, and manifests")],
    out: Annotated[Path, typer.Option(help="language model to write (.binary)")],
    order: Annotated[int, typer.Option(help="longest n-gram")] = 4,
    normalizer: Annotated[str, typer.Option(help="that of the recognizer")] = "plain-1",
    prune: Annotated[
        list[int] | None, typer.Option(help="drop n-grams that occur no more often: for 2-grams, 3-grams")
    ] = None,
    memory: Annotated[str, typer.Option(help="most that sorting may take")] = "1G",
) -> None:
    """Estimate an n-gram language model with modified Kneser-Ney smoothing, for the beam search."""
    from stt.decoding.train_lm import train_language_model

    normalize = get_normalizer(normalizer)
    report = train_language_model(_lines(texts), out, normalize, order, prune or (), memory)
    print(f"{report.lines} lines, {report.words} words, {report.vocabulary} different ones, written to {out}")
    for reason, count in report.left_out.most_common():
        print(f"left out: {count} lines for {reason}")


def _lines(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: there is no such text")
        if path.suffix.lower() in TABLES:
            manifest = read_manifest(path)
            yield from track((manifest.text(row) for row in range(len(manifest))), f"reading {path}", len(manifest))
        else:
            with path.open(encoding="utf-8", errors="replace") as file:
                yield from track(file, f"reading {path}")
