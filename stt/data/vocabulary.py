"""Choosing vocabulary size and stride before training: frames per token, and the share that CTC cannot align."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from stt.corpus.manifest import Manifest
from stt.errors import InputError
from stt.models.ctc import frames_needed
from stt.progress import track
from stt.text.normalize import Normalizer
from stt.text.tokenizer import Tokenizer, train_tokenizer

log = logging.getLogger(__name__)
MAX_UNALIGNABLE = 0.01  # share of a domain that CTC may fail to align without a warning
# Median frames per token; below this CTC has hardly any room for blanks. The demo learns well at 1.8.
MIN_FRAMES_PER_TOKEN = 1.5
MAX_UTTERANCES = 20_000  # of a domain, sampled at random


@dataclass(frozen=True)
class VocabularyFit:
    """How well a vocabulary size and a stride suit a domain."""

    pieces: int  # actual number; a small corpus yields fewer than requested
    stride: int
    domain: str
    frames_per_token: float  # median over utterances
    unalignable: float  # share of utterances that CTC cannot align

    @property
    def warning(self) -> str:
        """Why the combination is unsuitable; empty if it is suitable."""
        combination = f"{self.pieces} pieces at stride {self.stride}"
        if self.unalignable > MAX_UNALIGNABLE:
            return f"{combination}: CTC cannot align {100 * self.unalignable:.1f} % of {self.domain}"
        if self.frames_per_token < MIN_FRAMES_PER_TOKEN:
            return f"{combination}: {self.domain} has only {self.frames_per_token:.1f} frames per token"
        return ""


def vocabulary_fits(
    manifest: Manifest,
    normalizer: Normalizer,
    pieces: Sequence[int],
    strides: Sequence[int],
    hop_seconds: float,
) -> list[VocabularyFit]:
    """Train a tokenizer of every size and compare the number of its tokens with the frames at every stride.

    Args:
        manifest: the training corpus.
        normalizer: applied to the texts if the manifest is not normalized; those that it rejects are left out.
        pieces: vocabulary sizes to try.
        strides: overall strides of the network to try.
        hop_seconds: time between feature frames.

    Raises:
        InputError: a domain has no text that the normalizer accepts, or no tokenizer can be trained.
    """
    rng = np.random.default_rng(0)
    sample = {
        domain: rng.permutation(rows)[:MAX_UTTERANCES]
        for domain, rows in zip(manifest.domains, manifest.rows_by_domain(), strict=True)
    }
    texts: dict[str, list[str]] = {}
    for domain, rows in sample.items():
        spoken = {row: text for row in rows.tolist() if (text := _text(manifest, normalizer, row)) is not None}
        if not spoken:
            raise InputError(f"{manifest.path}: the normalizer {normalizer.name} rejects all texts of {domain}")
        if len(spoken) < len(rows):
            log.warning(
                "%s: %d of %d texts are left out, which %s rejects",
                domain,
                len(rows) - len(spoken),
                len(rows),
                normalizer.name,
            )
        sample[domain], texts[domain] = np.array(list(spoken)), list(spoken.values())
    fits = []
    for size in track(pieces, "training tokenizers"):
        tokenizer = train_tokenizer([text for part in texts.values() for text in part], size)
        for domain, rows in sample.items():
            tokens, needed = _counts(tokenizer, texts[domain])
            features = np.floor(manifest.durations[rows] / hop_seconds) + 1
            for stride in strides:
                frames = np.ceil(features / stride)
                per_token = float(np.median(frames / np.maximum(tokens, 1)))
                unalignable = float(np.mean(needed > frames))
                fits.append(VocabularyFit(tokenizer.vocab_size, stride, domain, per_token, unalignable))
    return fits


def fits_table(fits: Sequence[VocabularyFit]) -> Table:
    """Format the fits for a terminal: a line per vocabulary and domain, two columns per stride."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    strides = list(dict.fromkeys(fit.stride for fit in fits))
    table.add_column("pieces", justify="right")
    table.add_column("domain", no_wrap=True)
    for stride in strides:
        table.add_column(f"stride {stride}\nframes/\ntoken", justify="right", no_wrap=True)
        table.add_column("\ntoo\nshort %", justify="right", no_wrap=True)
    lines: dict[tuple[int, str], list[str]] = {}
    for fit in fits:
        style = "[red]{}[/red]" if fit.warning else "{}"
        cells = [f"{fit.frames_per_token:.1f}", f"{100 * fit.unalignable:.2f}"]
        lines.setdefault((fit.pieces, fit.domain), []).extend(style.format(cell) for cell in cells)
    for (pieces, domain), cells in lines.items():
        table.add_row(str(pieces), escape(domain), *cells)
    return table


def _text(manifest: Manifest, normalizer: Normalizer, row: int) -> str | None:
    """Return the normalized text of a row; None if the normalizer rejects it."""
    if manifest.normalizer:
        return manifest.text(row)
    normalized = normalizer(manifest.text(row))
    return None if normalized.rejected else normalized.text


def _counts(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the number of tokens of each text, and the number of frames that CTC needs for them."""
    encoded = [tokenizer.encode(text) for text in texts]
    return np.array([len(tokens) for tokens in encoded]), np.array([frames_needed(tokens) for tokens in encoded])
