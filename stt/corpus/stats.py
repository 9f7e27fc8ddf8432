"""Hours, utterances, speaking rate, vocabulary and lengths of a manifest by domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.box import SIMPLE_HEAD
from rich.table import Table

from stt.corpus.manifest import Manifest


@dataclass(frozen=True)
class DomainStats:
    """Statistics of one domain; durations in seconds."""

    hours: float
    utterances: int
    speakers: int
    characters_per_second: float
    vocabulary: int  # distinct words
    shortest: float
    median: float
    longest: float
    characters: int  # median length of a text


def domain_stats(manifest: Manifest) -> dict[str, DomainStats]:
    """Compute the statistics of every domain."""
    stats = {}
    lengths = pc.utf8_length(manifest.table["text"]).to_numpy()
    for domain, rows in zip(manifest.domains, manifest.rows_by_domain(), strict=True):
        durations = manifest.durations[rows]
        part = manifest.table.select(["text", "speaker"]).take(pa.array(rows))
        words = pc.unique(pc.list_flatten(pc.utf8_split_whitespace(part["text"])))
        stats[domain] = DomainStats(
            hours=float(durations.sum(dtype=np.float64)) / 3600,
            utterances=len(rows),
            speakers=len(pc.unique(pc.drop_null(pc.cast(part["speaker"], pa.string())))),
            characters_per_second=float(lengths[rows].sum() / durations.sum(dtype=np.float64)),
            vocabulary=len(words),
            shortest=float(durations.min()),
            median=float(np.median(durations)),
            longest=float(durations.max()),
            characters=int(np.median(lengths[rows])),
        )
    return stats


def stats_table(manifest: Manifest) -> Table:
    """Format the statistics for a terminal."""
    table = Table(
        title=f"{', '.join(map(str, manifest.files))}, normalizer {manifest.normalizer or 'unknown'}",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        caption_justify="left",
    )
    for head in ("domain", "hours", "utterances", "speakers", "chars/s", "words", "min/med/max s", "chars"):
        table.add_column(head, justify="left" if head == "domain" else "right", no_wrap=True)
    for domain, s in domain_stats(manifest).items():
        counts = (f"{s.hours:.2f}", str(s.utterances), str(s.speakers or "-"), f"{s.characters_per_second:.1f}")
        lengths = f"{s.shortest:.1f}/{s.median:.1f}/{s.longest:.1f}"
        table.add_row(domain, *counts, str(s.vocabulary), lengths, str(s.characters))
    alphabet = sorted({character for text in pc.unique(manifest.table["text"]).to_pylist() for character in text})
    table.caption = (
        "words: distinct words; chars: median length of a text\n"
        f"fingerprint: {manifest.fingerprint[:16]}\n"
        f"alphabet: {''.join(alphabet)!r}"
    )
    return table
