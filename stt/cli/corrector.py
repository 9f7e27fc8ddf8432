"""The commands `stt corrector ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.corpus.manifest import read_manifests
from stt.corpus.texts import read_texts

app = typer.Typer(help="Train correctors, which rewrite transcripts.", no_args_is_help=True)


@app.callback()
def corrector() -> None:
    """Train correctors, which rewrite transcripts."""


@app.command()
def train(
    checkpoint: Path,
    manifests: Annotated[
        list[Path], typer.Argument(help="the recognizer's training data, or other transcribed speech")
    ],
    validate: Annotated[
        list[Path],
        typer.Option(help="validation manifest, to select the best corrector; may be repeated"),
    ],
    out: Annotated[Path, typer.Option(help="corrector to write (.ckpt)")],
    texts: Annotated[
        list[Path] | None, typer.Option(help="additional texts, one sentence per line; may be repeated")
    ] = None,
    steps: Annotated[int, typer.Option(help="number of training steps", min=1, max=10_000_000)] = 2000,
    utterances: Annotated[int | None, typer.Option(help="maximum utterances per domain", min=1)] = None,
    device: Annotated[str, typer.Option(help="device of the recognizer: cpu, cuda, ...")] = "cpu",
    seed: Annotated[int, typer.Option(help="random seed", min=0, max=2**32 - 1)] = 0,
) -> None:
    """Train a small sequence-to-sequence network on a model's errors, and on texts with synthetic errors."""
    from stt.recognition.recognizer import Recognizer
    from stt.training.corrector import train_corrector  # imported here to keep --help fast

    model = Recognizer.load(checkpoint, device)
    results = (model.normalizer(text.text) for text in read_texts(texts or []))
    normalized = [result.text for result in results if not result.rejected]
    speech = (read_manifests(manifests), read_manifests(validate))
    trained = train_corrector(model, *speech, normalized, out, steps, max_per_domain=utterances, seed=seed)
    print(f"{trained.pairs} pairs and {len(normalized)} additional texts, written to {out}")
    if trained.skipped:
        print(f"skipped: {trained.skipped} utterances that cannot be read or tokenized")
    print(f"validation WER: {100 * trained.before:.2f} % before, {100 * trained.after:.2f} % after")
