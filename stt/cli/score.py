"""The command `stt score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHOWN = 10  # names to print; `--out` has all of them

app = typer.Typer()


@app.command()
def score(
    manifests: Annotated[list[Path], typer.Argument(help="manifests with the references; several are concatenated")],
    hypotheses: Annotated[
        Path, typer.Argument(help="hypotheses: CSV, TSV, Parquet, JSON Lines (also NeMo's) or Kaldi text")
    ],
    normalizer: Annotated[
        str | None, typer.Option(help="normalizer of both (default: that of the manifest, or plain-1)")
    ] = None,
    utterance_column: Annotated[str | None, typer.Option(help="column with the audio name")] = None,
    text_column: Annotated[str | None, typer.Option(help="column with the hypothesis")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write, in the format of a run's test results")] = None,
) -> None:
    """Print error rates by domain for the hypotheses of any system, normalized like the references."""
    from stt.corpus.manifest import read_manifests  # imported here to keep --help fast
    from stt.metrics.summary import print_table, summarize, write_results
    from stt.recognition.hypotheses import read_hypotheses
    from stt.recognition.score import score as compare

    scored = compare(read_manifests(manifests), read_hypotheses(hypotheses, utterance_column, text_column), normalizer)
    results = summarize(scored.rates, None, scored.normalizer)
    print_table(results)
    notes = {
        "without a hypothesis, counted as empty": scored.missing,
        f"not in {', '.join(map(str, manifests))}, not counted": scored.unmatched,
    }
    for note, names in notes.items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            print(f"{len(names)} {note}: {', '.join(names[:SHOWN])}{more}")
    for kind, count in scored.dropped.most_common():
        print(f"{count} times dropped from hypotheses, because the pronunciation is unknown: {kind}")
    if out:
        write_results({**results, "missing": scored.missing, "unmatched": scored.unmatched}, out)
        print(f"written to {out}")
