"""The commands `stt corrector ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.cli.lm import text_lines
from stt.corpus.manifest import read_manifests

app = typer.Typer(help="Make correctors, which rewrite what was recognized.", no_args_is_help=True)


@app.callback()
def corrector() -> None:
    """Make correctors, which rewrite what was recognized."""


@app.command()
def train(
    checkpoint: Path,
    manifests: Annotated[
        list[Path], typer.Argument(help="what the model was trained on, or other speech with its texts")
    ],
    validate: Annotated[
        list[Path],
        typer.Option(help="validation manifest: decides which corrector is best; may be given several times"),
    ],
    out: Annotated[Path, typer.Option(help="corrector to write (.ckpt)")],
    texts: Annotated[list[Path] | None, typer.Option(help="more texts, a sentence a line; several times")] = None,
    steps: Annotated[int, typer.Option(help="of the training", min=1)] = 2000,
    utterances: Annotated[int | None, typer.Option(help="of each domain, at most", min=1)] = None,
    device: Annotated[str, typer.Option(help="of the recognizer: cpu, cuda ...")] = "cpu",
    seed: Annotated[int, typer.Option(help="of all that is drawn")] = 0,
) -> None:
    """Train a small sequence-to-sequence network on a model's errors, and on texts with such errors made in them."""
    from stt.recognition.recognizer import load
    from stt.training.corrector import train_corrector  # these take seconds to import, which --help should not

    model = load(checkpoint, device)
    normalized = [found.text for found in map(model.normalizer, text_lines(texts or [])) if not found.rejected]
    speech = (read_manifests(manifests), read_manifests(validate))
    trained = train_corrector(model, *speech, normalized, out, steps, most=utterances, seed=seed)
    print(f"{trained.pairs} pairs and {len(normalized)} more texts, written to {out}")
    if trained.skipped:
        print(f"left out: {trained.skipped} utterances that cannot be read or written in the tokenizer")
    print(f"WER on what validates: {100 * trained.before:.2f} % before, {100 * trained.after:.2f} % after")
