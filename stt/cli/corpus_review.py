"""The commands `stt corpus review` and `stt corpus decide`: rejected utterances, seen and decided on by a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.cli.options import named
from stt.corpus.manifest import check_manifest_name, read_manifests, write_manifest
from stt.corpus.provenance import Input, Step, count_domains
from stt.corpus.sharding.job import inputs_of
from stt.errors import InputError
from stt.files import file_hash, write_text

VERSION = 1  # of decisions, in the records of manifests
Manifests = Annotated[list[Path], typer.Argument(help="manifests of rejected utterances; several are concatenated")]


def review(
    manifests: Manifests,
    out: Annotated[Path, typer.Option(help="page to write (.html)")],
    utterances: Annotated[int, typer.Option(help="utterances with audio for each domain", min=0)] = 10,
) -> None:
    """Write a self-contained page of rejected utterances: counts by rule and domain, and the worst with audio."""
    import matplotlib as mpl

    mpl.use("agg")
    from stt.reports.rejected import Rejected  # imported here to keep --help fast
    from stt.reports.review import render_review

    rejected = Rejected.of(read_manifests(manifests))
    page = render_review(rejected, ", ".join(path.name for path in manifests), utterances)
    write_text(out, page.text, errors="backslashreplace")  # file names need not be UTF-8
    if page.unreadable:
        print(f"audio that cannot be read: {page.unreadable} utterances")
    print(f"{out}: {len(page.text) / 1e6:.1f} MB, {page.players} of {len(rejected.manifest)} utterances with audio")


def decide(
    manifests: Manifests,
    decisions: Annotated[list[Path], typer.Option(help="export of Label Studio (JSON or JSON_MIN); may be repeated")],
    out: Annotated[Path, typer.Option(help="manifest to write (.parquet)")],
) -> None:
    """Keep what people have kept in Label Studio, with the texts they have mended; OUT.decisions.csv lists everything.

    Tasks are made by `stt corpus export label_studio`. Of several annotations, ground truth counts, else the last one.
    """
    check_manifest_name(out)
    from stt.curation.review.decide import KEPT, MENDED  # imported here to keep --help fast
    from stt.curation.review.decide import decide as decide_rows
    from stt.curation.review.label_studio import read_annotations

    manifest = read_manifests(manifests)
    annotations = [one for path in decisions for one in read_annotations(path)]
    found = decide_rows(manifest, annotations, ", ".join(map(str, decisions)))
    listed = out.with_suffix(".decisions.csv")
    found.write_list(listed)
    counts = found.counts()
    notes = {
        "mended": counts[MENDED],
        "contradictory annotations": len(found.contradicted),
        "utterances that are not in the manifest": len(found.unknown),
    }
    if not found.kept:
        raise InputError(f"{out}: no utterance is kept, so no manifest was written; {listed} lists what was decided")
    table = found.table(out.parent)
    skipped = {name: count for name, count in counts.most_common() if name not in (KEPT, MENDED)}
    names = ", ".join(path.name for path in decisions)
    inputs = (*inputs_of(manifest), *(Input(path.name, file_hash(path)) for path in decisions))
    rows_in, rows_out = count_domains(manifest.table), count_domains(table)
    step = Step("decide", VERSION, {"decisions": names}, rows_in, rows_out, inputs, skipped, notes)
    write_manifest(table, out, manifest.normalizer, step)
    for name, count in skipped.items():
        print(f"{name}: {count} rows")
    for title, ids in (
        ("contradictory: ground truth counts, else the last", found.contradicted),
        ("not in the manifest", found.unknown),
    ):
        if ids:
            print(f"{title}: {named(ids)}")
    print(
        f"{len(found.kept)} rows kept, {counts[MENDED]} of them with mended texts, written to {out}; "
        f"every decision is listed in {listed}"
    )
