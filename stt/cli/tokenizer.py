"""The commands `stt tokenizer ...`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from stt.cli.options import UnlessNormalized
from stt.corpus.manifest import read_manifests
from stt.corpus.memory_map import iter_chunks
from stt.files import atomic_write
from stt.text.normalize import get_normalizer
from stt.text.normalized import Normalized
from stt.text.tokenizer import MAX_TEXTS, Tokenizer, train_character_tokenizer, train_tokenizer

CHUNK_ROWS = 10_000  # whose texts are strings at once

TrainingManifests = Annotated[list[Path], typer.Argument(help="training manifests; several are concatenated")]

app = typer.Typer(help="Create tokenizers.", no_args_is_help=True)


@app.callback()
def tokenizer() -> None:
    """Create tokenizers."""


@app.command()
def train(
    manifests: TrainingManifests,
    out: Annotated[Path, typer.Option(help="tokenizer to write (.model)")],
    pieces: Annotated[
        int,
        typer.Option(help="BPE pieces, including the blank; 100 for hours of speech, 300 to 1000 for hundreds"),
    ] = 500,
    normalizer: UnlessNormalized = "plain-1",
) -> None:
    """Train a SentencePiece BPE tokenizer on the texts of training manifests."""
    trained = train_tokenizer(_texts(manifests, normalizer), pieces)
    if trained.vocab_size < pieces:
        print(f"the texts only yield {trained.vocab_size} pieces, not {pieces}")
    _write(trained, out)


@app.command()
def letters(
    manifests: TrainingManifests,
    out: Annotated[Path, typer.Option(help="tokenizer to write (.model)")],
    normalizer: UnlessNormalized = "plain-1",
) -> None:
    """Create a tokenizer of single letters, for comparisons and for networks with a small stride."""
    _write(train_character_tokenizer(_texts(manifests, normalizer)), out)


def _texts(manifests: list[Path], normalizer: str) -> Iterator[str]:
    """Yield the normalized texts, of more than `MAX_TEXTS` a random sample; print how many the normalizer rejects."""
    corpus = read_manifests(manifests)
    normalize = get_normalizer(normalizer) if corpus.normalizer is None else None
    rng, share = np.random.default_rng(0), MAX_TEXTS / len(corpus)
    skipped: Counter[str] = Counter()
    for chunk in iter_chunks(corpus.table["text"], CHUNK_ROWS):
        for text in chunk.filter(pa.array(rng.random(len(chunk)) < share)).to_pylist():
            normalized = normalize(text) if normalize else Normalized(text)
            if normalized.rejected:
                skipped[next(iter(normalized.rejected))] += 1
            else:
                yield normalized.text
    for reason, count in skipped.most_common():
        print(f"skipped: {count} texts for {reason}")


def _write(tokenizer: Tokenizer, out: Path) -> None:
    with atomic_write(out) as temporary:
        temporary.write_bytes(tokenizer.model)
    print(f"{tokenizer.vocab_size} pieces written to {out}")
