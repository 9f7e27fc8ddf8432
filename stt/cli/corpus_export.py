"""The commands `stt corpus export FORMAT`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from stt.cli.options import REQUIRED, Manifests, add_command, named
from stt.corpus.columns import is_unicode
from stt.corpus.export import Export
from stt.corpus.exporters import exporters
from stt.corpus.manifest import read_manifests
from stt.errors import InputError
from stt.files import atomic_folder

app = typer.Typer(help="Export manifests into the format of another tool.", no_args_is_help=True)


def _export(exporter: Callable[..., None], manifests: list[Path], out: Path, copy_audio: bool, **options: Any) -> None:
    if not is_unicode(str(out.resolve())):
        raise InputError("--out: the path of the folder is not valid Unicode, so that no file could contain it")
    manifest = read_manifests(manifests)
    with atomic_folder(out) as folder:
        corpus = Export(manifest, folder, out.resolve(), copy_audio)
        exporter(corpus, **options)
    for reason, rows in corpus.copied.most_common():
        print(f"audio written as files: {rows} rows ({reason})")
    if manifest.normalizer:
        print(
            f"texts are normalized with {manifest.normalizer}: to import them again, --normalizer {manifest.normalizer}"
        )
    for what, rows in corpus.lost.most_common():
        print(f"not carried: {what}: {rows} rows")
    if corpus.unreadable:
        ids = [str(manifest.value(row, "id")) for row in corpus.unreadable]
        print(f"left out, because their audio cannot be read: {named(ids)}")
    durations = np.delete(manifest.durations, corpus.unreadable)
    print(f"{len(durations)} rows, {durations.sum(dtype=float) / 3600:.2f} hours, exported to {out}")


for _name, _exporter in exporters().items():
    add_command(
        app,
        _name,
        _exporter,
        _export,
        {
            "manifests": (Manifests, REQUIRED),
            "out": (Annotated[Path, typer.Option(help="folder to write, which must not exist")], REQUIRED),
            "copy_audio": (
                Annotated[bool, typer.Option("--copy-audio", help="copy all audio, also what could be referred to")],
                False,
            ),
        },
    )
