"""The commands `stt corpus ...`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from rich.console import Console

from stt.corpus.importers import importers
from stt.corpus.ingest import ingest
from stt.corpus.manifest import read_manifest, read_manifests
from stt.corpus.row import Row
from stt.corpus.split import split_manifest
from stt.corpus.stats import stats_table
from stt.errors import InputError
from stt.text.normalize import get_normalizer

PIECES = [300, 1000, 3000]
STRIDES = [2, 4, 8]
Manifests = Annotated[list[Path], typer.Argument(help="manifests, which are taken as one")]
app = typer.Typer(help="Make and look at corpora.", no_args_is_help=True)
import_app = typer.Typer(help="Turn a corpus of some format into a manifest.", no_args_is_help=True)
app.add_typer(import_app, name="import")


@app.command()
def stats(manifests: Manifests) -> None:
    """Print hours, utterances, characters per second, vocabulary and lengths by domain."""
    Console().print(stats_table(read_manifests(manifests)))


@app.command()
def feasibility(
    manifests: Manifests,
    pieces: Annotated[list[int], typer.Option(help="size of vocabulary to try; may be given several times")] = PIECES,
    stride: Annotated[list[int], typer.Option(help="stride of the network to try; likewise")] = STRIDES,
    normalizer: Annotated[str, typer.Option(help="for a manifest that was not normalized at import")] = "plain-1",
    hop_seconds: Annotated[float, typer.Option(help="distance of feature frames")] = 0.01,
) -> None:
    """Print how vocabularies and strides fit the corpus: frames per token, and what CTC could not align."""
    from stt.data.vocabulary import fits_table, vocabulary_fits  # takes seconds to import, which --help should not

    if min(pieces) < 2 or min(stride) < 1 or not hop_seconds > 0:
        raise InputError("--pieces must be 2 or more, --stride 1 or more, --hop-seconds more than 0")
    fits = vocabulary_fits(read_manifests(manifests), get_normalizer(normalizer), pieces, stride, hop_seconds)
    Console().print(fits_table(fits))
    for fit in fits:
        if fit.warning:
            print(f"warning: {fit.warning}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder to fill")] = Path("corpora/demo"),
    seed: Annotated[int, typer.Option(help="the same seed makes the same corpus")] = 0,
) -> None:
    """Make the demo corpus: Russian speech in five domains, and a sixth that is only tested on."""
    from stt.corpus.demo.make import make_demo

    for split, manifest in make_demo(out, seed).items():
        print(f"{split}: {manifest}")


def _import(
    importer: Callable[..., Iterator[Row]],
    source: Path,
    out: Path,
    normalizer: str,
    skip_bad: bool,
    hold_out: float,
    id_prefix: str,
    **options: Any,
) -> None:
    report = ingest(importer(source, **options), out, get_normalizer(normalizer), skip_bad, id_prefix)
    for line in report.lines():
        print(line)
    print(f"{report.kept} rows written to {out}, {report.bad_count} left out")
    if hold_out:
        for split, path in split_manifest(read_manifest(out), hold_out).items():
            print(f"{split}: {len(read_manifest(path))} rows in {path}")


def _add_command(name: str, importer: Callable[..., Iterator[Row]]) -> None:
    """Give an importer its command: the arguments all share, and its own keyword parameters as options."""
    hints = get_type_hints(importer)
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = {
        "source": (Path, inspect.Parameter.empty),
        "out": (Annotated[Path, typer.Option(help="manifest to write (.parquet)")], inspect.Parameter.empty),
        "normalizer": (Annotated[str, typer.Option(help="what to do to texts: russian-1 or plain-1")], "plain-1"),
        "skip_bad": (Annotated[bool, typer.Option("--skip-bad", help="leave bad rows out and list them")], False),
        "hold_out": (Annotated[float, typer.Option(help="share to split off for validation, and again for test")], 0.0),
        "id_prefix": (Annotated[str, typer.Option(help="put before every id, to tell it from other corpora's")], ""),
    }
    own = {
        parameter.name: (hints[parameter.name], parameter.default)
        for parameter in inspect.signature(importer).parameters.values()
        if parameter.kind is keyword
    }
    command = functools.partial(_import, importer)
    parameters = {**shared, **own}
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(key, keyword, default=default, annotation=kind)
            for key, (kind, default) in parameters.items()
        ]
    )
    command.__annotations__ = {key: kind for key, (kind, _) in parameters.items()}
    import_app.command(name, help=inspect.getdoc(importer))(command)


for _name, _importer in importers().items():
    _add_command(_name, _importer)
