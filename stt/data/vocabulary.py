"""How many pieces and which stride go together: frames per token and what CTC could not align, before any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.table import Table

from stt.corpus.manifest import Manifest
from stt.models.ctc import frames_needed
from stt.progress import track
from stt.text.normalize import Normalizer
from stt.text.tokenizer import Tokenizer, train_tokenizer

MOST_LOST = 0.01  # share of a domain that CTC cannot align, over which a choice is not sound
# Median frames per token, under which CTC has hardly room for its blanks; the demo learns well with 1.8.
FEWEST_FRAMES = 1.5


@dataclass(frozen=True)
class Fit:
    """How a vocabulary and a stride fit a domain."""

    pieces: int  # that there really are; few texts do not hold many
    stride: int
    domain: str
    frames_per_token: float  # median over utterances
    lost: float  # share of utterances that CTC cannot align

    @property
    def warning(self) -> str:
        """Say why the choice is not sound; empty where it is."""
        choice = f"{self.pieces} pieces at stride {self.stride}"
        if self.lost > MOST_LOST:
            return f"{choice}: CTC cannot align {100 * self.lost:.1f} % of {self.domain}"
        if self.frames_per_token < FEWEST_FRAMES:
            return f"{choice}: {self.domain} has only {self.frames_per_token:.1f} frames for a token"
        return ""


def vocabulary_fits(
    manifest: Manifest,
    normalizer: Normalizer,
    pieces: Sequence[int],
    strides: Sequence[int],
    hop_seconds: float,
    most: int = 20_000,
    seed: int = 0,
) -> list[Fit]:
    """Train a tokenizer of every size and compare its tokens with the frames of every stride.

    Args:
        manifest: the training corpus.
        normalizer: of the texts, where the manifest was not made with one.
        pieces: sizes of vocabulary to try.
        strides: overall strides of the network to try.
        hop_seconds: distance of feature frames.
        most: utterances of each domain that are looked at, drawn by chance.
        seed: decides which.
    """
    rng = np.random.default_rng(seed)
    chosen = {
        domain: rng.permutation(rows)[:most]
        for domain, rows in zip(manifest.domains, manifest.rows_by_domain(), strict=True)
    }
    texts = {domain: [_text(manifest, normalizer, row) for row in rows.tolist()] for domain, rows in chosen.items()}
    fits = []
    for size in track(pieces, "training tokenizers"):
        tokenizer = train_tokenizer([text for part in texts.values() for text in part], size)
        for domain, rows in chosen.items():
            tokens, needed = _counts(tokenizer, texts[domain])
            features = np.floor(manifest.durations[rows] / hop_seconds) + 1
            for stride in strides:
                frames = np.ceil(features / stride)
                per_token = float(np.median(frames / np.maximum(tokens, 1)))
                lost = float(np.mean(needed > frames))
                fits.append(Fit(tokenizer.vocab_size, stride, domain, per_token, lost))
    return fits


def fits_table(fits: Sequence[Fit]) -> Table:
    """Lay the fits out for a terminal: a line for each vocabulary and domain, a pair of columns for each stride."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    strides = list(dict.fromkeys(fit.stride for fit in fits))
    table.add_column("pieces", justify="right")
    table.add_column("domain", no_wrap=True)
    for stride in strides:
        table.add_column(f"stride {stride}\nframes/\ntoken", justify="right", no_wrap=True)
        table.add_column("\n\nlost %", justify="right", no_wrap=True)
    lines: dict[tuple[int, str], list[str]] = {}
    for fit in fits:
        style = "[red]{}[/red]" if fit.warning else "{}"
        cells = [f"{fit.frames_per_token:.1f}", f"{100 * fit.lost:.2f}"]
        lines.setdefault((fit.pieces, fit.domain), []).extend(style.format(cell) for cell in cells)
    for (pieces, domain), cells in lines.items():
        table.add_row(str(pieces), domain, *cells)
    return table


def _text(manifest: Manifest, normalizer: Normalizer, row: int) -> str:
    return manifest.text(row) if manifest.normalizer else normalizer(manifest.text(row)).text


def _counts(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tokens of each text, and the frames that CTC needs for them."""
    encoded = [tokenizer.encode(text) for text in texts]
    return np.array([len(tokens) for tokens in encoded]), np.array([frames_needed(tokens) for tokens in encoded])
