"""The command `stt score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHOWN = 10  # names that are printed; all of them are in the file of `--out`

app = typer.Typer()


@app.command()
def score(
    manifests: Annotated[list[Path], typer.Argument(help="the references; several are taken as one")],
    hypotheses: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet, JSON Lines (NeMo's too) or Kaldi's text")],
    normalizer: Annotated[str | None, typer.Option(help="of both; default: the manifest's own, or plain-1")] = None,
    utterance_column: Annotated[str | None, typer.Option(help="column that names the audio")] = None,
    text_column: Annotated[str | None, typer.Option(help="column of what was recognized")] = None,
    out: Annotated[Path | None, typer.Option(help="file to write as well, like the results of a run's test")] = None,
) -> None:
    """Print the error rates by domain of what any system has recognized, normalized as the references are."""
    from stt.corpus.manifest import read_manifests  # these take a second to import, which --help should not
    from stt.metrics.summary import print_table, summarize, write_results
    from stt.recognition.hypotheses import read_hypotheses
    from stt.recognition.score import score as compare

    scored = compare(read_manifests(manifests), read_hypotheses(hypotheses, utterance_column, text_column), normalizer)
    results = summarize(scored.rates, None, scored.normalizer)
    print_table({**results, "skipped": []})
    notes = {
        "without a hypothesis, counted as if nothing was recognized": scored.missing,
        f"not in {', '.join(map(str, manifests))}, not counted": scored.surplus,
    }
    for what, names in notes.items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            print(f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}")
    for kind, count in scored.dropped.most_common():
        print(f"{count} times dropped from a hypothesis, because nobody knows how it was spoken: {kind}")
    if out:
        write_results({**results, "missing": scored.missing, "surplus": scored.surplus}, out)
        print(f"written to {out}")
