"""The commands `python -m stt tokenizer ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.corpus.manifest import read_manifest
from stt.files import written_aside
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import train_tokenizer

app = typer.Typer(help="Make tokenizers.", no_args_is_help=True)


@app.callback()
def tokenizer() -> None:
    """Make tokenizers."""


@app.command()
def train(
    manifest: Path,
    out: Annotated[Path, typer.Option(help="tokenizer to write (.model)")],
    pieces: Annotated[int, typer.Option(help="BPE pieces, the blank included; 300 to 1000 serve most corpora")] = 500,
    normalizer: Annotated[str, typer.Option(help="for a manifest that was not normalized at import")] = "plain-1",
) -> None:
    """Train a SentencePiece BPE tokenizer on the texts of a training manifest."""
    corpus = read_manifest(manifest)
    texts = corpus.table["text"].to_pylist()
    if corpus.normalizer is None:
        normalize = get_normalizer(normalizer)
        texts = [normalize(text).text for text in texts]
    trained = train_tokenizer(texts, pieces)
    with written_aside(out) as aside:
        aside.write_bytes(trained.model)
    if trained.vocab_size < pieces:
        print(f"the texts hold {trained.vocab_size} pieces, not {pieces}")
    print(f"{trained.vocab_size} pieces written to {out}")
