"""The commands `stt corpus ...`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from stt.cli.corpus_align import align
from stt.cli.corpus_download import app as download_app
from stt.cli.corpus_export import app as export_app
from stt.cli.corpus_review import decide, review
from stt.cli.options import REQUIRED, Manifests, SkipBad, UnlessNormalized, add_command
from stt.cli.steps import CLUSTER, add_steps
from stt.corpus.columns import check_domains
from stt.corpus.importers import importers
from stt.corpus.ingest import Origin, ingest
from stt.corpus.labels import labels_table
from stt.corpus.manifest import check_manifest_name, read_manifest, read_manifests
from stt.corpus.row import Row, domain_of, template_fields
from stt.corpus.sharding.engine import Engine
from stt.corpus.split import check_share, split_manifest
from stt.corpus.stats import stats_table
from stt.errors import InputError
from stt.text.normalize import get_normalizer

PIECES = [300, 1000, 3000]
STRIDES = [2, 4, 8]
app = typer.Typer(help="Create and inspect corpora.", no_args_is_help=True)
import_app = typer.Typer(help="Import a corpus into a manifest.", no_args_is_help=True)
app.add_typer(import_app, name="import")
app.add_typer(export_app, name="export")
app.add_typer(download_app, name="download")
app.command()(align)
app.command()(review)
app.command()(decide)


@app.command()
def stats(manifests: Manifests) -> None:
    """Print hours, utterances, characters per second, vocabulary and lengths by domain; and who labelled how much."""
    manifest = read_manifests(manifests)
    Console().print(stats_table(manifest))
    labels = labels_table(manifest)
    if labels:
        Console().print(labels)


@app.command()
def feasibility(
    manifests: Manifests,
    pieces: Annotated[list[int], typer.Option(help="vocabulary size to try; may be repeated")] = PIECES,
    stride: Annotated[list[int], typer.Option(help="stride of the network to try; may be repeated")] = STRIDES,
    normalizer: UnlessNormalized = "plain-1",
    hop_seconds: Annotated[float, typer.Option(help="hop between feature frames, seconds")] = 0.01,
) -> None:
    """Print how vocabularies and strides fit the corpus: frames per token, and utterances that CTC cannot align."""
    from stt.data.vocabulary import fits_table, vocabulary_fits  # imported here to keep --help fast

    if min(pieces) < 2 or min(stride) < 1 or not hop_seconds > 0:
        raise InputError("--pieces must be 2 or more, --stride 1 or more, --hop-seconds more than 0")
    fits = vocabulary_fits(read_manifests(manifests), get_normalizer(normalizer), pieces, stride, hop_seconds)
    Console().print(fits_table(fits))
    for fit in fits:
        if fit.warning:
            print(f"warning: {fit.warning}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="output folder")] = Path("corpora/demo"),
    seed: Annotated[int, typer.Option(help="random seed", min=0)] = 0,
) -> None:
    """Create the demo corpus: Russian speech in five domains, plus a sixth for testing only."""
    from stt.corpus.demo.make import make_demo

    for split, manifest in make_demo(out, seed).items():
        print(f"{split}: {manifest}")


@app.command()
def synthesize(
    texts: Annotated[list[Path], typer.Argument(help="text files with one sentence per line, and manifests")],
    out: Annotated[Path, typer.Option(help="output folder, which must not exist")],
    language: Annotated[str, typer.Option(help="en for all accents, en-us for one")],
    hours: Annotated[
        float | None, typer.Option(help="hours of speech, with other voices in every pass; default: every text once")
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option(help="espeak-ng, mbrola, rhvoice; repeat for several; default: espeak-ng")
    ] = None,
    voices: Annotated[int, typer.Option(help="number of voices of each engine", min=1)] = 36,
    noise: Annotated[Path | None, typer.Option(help="folder of noise recordings, for half of the utterances")] = None,
    rirs: Annotated[Path | None, typer.Option(help="folder of recorded room impulse responses")] = None,
    domain: Annotated[str, typer.Option(help="domain of all utterances")] = "synthetic",
    normalizer: Annotated[str, typer.Option(help="text normalizer: russian-1, russian-2 or plain-1")] = "plain-1",
    seed: Annotated[int, typer.Option(help="random seed", min=0)] = 0,
    workers: Annotated[
        int | None, typer.Option(help="parallel processes; default: one per core", min=1, max=1000)
    ] = None,
) -> None:
    """Synthesize speech from texts, to train on before fine-tuning on real speech."""
    from stt.corpus.synthesis.engines import ESPEAK_NG  # imported here to keep --help fast
    from stt.corpus.synthesis.synthesize import Options
    from stt.corpus.synthesis.synthesize import synthesize as make

    if hours is not None and not 0 < hours < math.inf:
        raise InputError(f"--hours must be a number more than 0, not {hours:g}")
    if not domain:
        raise InputError("--domain must not be empty")
    options = Options(language, domain, hours, voices, engine or [ESPEAK_NG], seed, noise, rirs)
    corpus = make(texts, out, get_normalizer(normalizer), options, workers or os.cpu_count() or 1)
    for line in corpus.skipped.lines():
        print(f"skipped: {line}")
    speakers = len({row["speaker"] for row in corpus.rows})
    print(
        f"{corpus.seconds / 3600:.2f} hours, {len(corpus.rows)} utterances in {speakers} voices, "
        f"{corpus.skipped.bad_count} texts skipped, written to {out / 'train.parquet'}"
    )


def _import(
    importer: Callable[..., Iterator[Row]],
    source: Path,
    out: Path,
    normalizer: str,
    skip_bad: bool,
    hold_out: float,
    id_prefix: str,
    workers: int,
    cluster: str,
    **options: Any,
) -> None:
    _check_out(source, out)
    if hold_out:
        check_share(hold_out)
    domain = str(options.get("domain", ""))
    if not template_fields(domain):  # else it is another one in each row
        check_domains([domain_of(domain, {}, "--domain")], "--domain")
    used = {"format": importer.__module__.rpartition(".")[2], "normalizer": normalizer, "skip_bad": skip_bad, **options}
    origin = Origin(
        source.name,
        {name: value if isinstance(value, int | float) else str(value or "") for name, value in used.items()},
    )
    engine = Engine(workers, cluster) if workers > 1 or cluster else None
    rows = importer(source.absolute() if engine else source, **options)  # processes may be in another folder
    report = ingest(rows, out.absolute(), get_normalizer(normalizer), skip_bad, id_prefix, origin, engine)
    for line in report.lines():
        print(line)
    print(f"{report.kept} rows written to {out}, {report.bad_count} skipped")
    if hold_out:
        for split, path in split_manifest(read_manifest(out), hold_out).items():
            print(f"{split}: {len(read_manifest(path))} rows in {path}")


def _check_out(source: Path, out: Path) -> None:
    """Check that a manifest can be written and read back under the name, and takes nothing from the source.

    Raises:
        InputError: it cannot.
    """
    check_manifest_name(out)
    for written in (out, out.with_suffix(".bad.csv")):  # the latter lists bad rows
        if written.exists() and source.exists() and written.samefile(source):
            raise InputError(f"--out {out}: the import would overwrite its source {source}, choose another name")


SHARED = {
    "source": (Path, REQUIRED),
    "out": (Annotated[Path, typer.Option(help="manifest to write (.parquet)")], REQUIRED),
    "normalizer": (Annotated[str, typer.Option(help="text normalizer: russian-1, russian-2 or plain-1")], "plain-1"),
    "skip_bad": (SkipBad, False),
    "hold_out": (
        Annotated[float, typer.Option(help="fraction to hold out for validation, and the same for test")],
        0.0,
    ),
    "id_prefix": (Annotated[str, typer.Option(help="prefix for all ids, to keep them unique across corpora")], ""),
    "workers": (Annotated[int, typer.Option(help="processes that check rows; 1 for threads", min=1, max=1000)], 1),
    "cluster": (CLUSTER, ""),
}
for _name, _importer in importers().items():
    add_command(import_app, _name, _importer, _import, SHARED)
add_steps(app)
