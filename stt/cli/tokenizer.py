"""The commands `stt tokenizer ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.corpus.manifest import read_manifests
from stt.files import atomic_write
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer, train_character_tokenizer, train_tokenizer

app = typer.Typer(help="Create tokenizers.", no_args_is_help=True)


@app.callback()
def tokenizer() -> None:
    """Create tokenizers."""


@app.command()
def train(
    manifests: Annotated[list[Path], typer.Argument(help="training manifests; several are concatenated")],
    out: Annotated[Path, typer.Option(help="tokenizer to write (.model)")],
    pieces: Annotated[
        int,
        typer.Option(help="BPE pieces, including the blank; 100 for hours of speech, 300 to 1000 for hundreds"),
    ] = 500,
    normalizer: Annotated[
        str, typer.Option(help="normalizer for manifests that were not normalized at import")
    ] = "plain-1",
) -> None:
    """Train a SentencePiece BPE tokenizer on the texts of training manifests."""
    trained = train_tokenizer(_texts(manifests, normalizer), pieces)
    if trained.vocab_size < pieces:
        print(f"the texts only yield {trained.vocab_size} pieces, not {pieces}")
    _write(trained, out)


@app.command()
def letters(
    manifests: Annotated[list[Path], typer.Argument(help="training manifests; several are concatenated")],
    out: Annotated[Path, typer.Option(help="tokenizer to write (.model)")],
    normalizer: Annotated[
        str, typer.Option(help="normalizer for manifests that were not normalized at import")
    ] = "plain-1",
) -> None:
    """Create a tokenizer of single letters, for comparisons and for networks with a small stride."""
    _write(train_character_tokenizer(_texts(manifests, normalizer)), out)


def _texts(manifests: list[Path], normalizer: str) -> list[str]:
    corpus = read_manifests(manifests)
    texts: list[str] = corpus.table["text"].to_pylist()
    if corpus.normalizer is None:
        normalize = get_normalizer(normalizer)
        texts = [normalize(text).text for text in texts]
    return texts


def _write(tokenizer: Tokenizer, out: Path) -> None:
    with atomic_write(out) as temporary:
        temporary.write_bytes(tokenizer.model)
    print(f"{tokenizer.vocab_size} pieces written to {out}")
