"""Hours, utterances, speaking rate, vocabulary and lengths of a manifest by domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from stt.corpus.manifest import Manifest
from stt.corpus.memory_map import iter_chunks


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
    lengths = manifest.text_lengths()
    words = _distinct(manifest, "text", lambda texts: pc.list_flatten(pc.utf8_split_whitespace(texts)))
    speakers = _distinct(manifest, "speaker", _names)
    for index, (domain, rows) in enumerate(zip(manifest.domains, manifest.rows_by_domain(), strict=True)):
        durations = manifest.durations[rows]
        stats[domain] = DomainStats(
            hours=float(durations.sum(dtype=np.float64)) / 3600,
            utterances=len(rows),
            speakers=speakers[index],
            characters_per_second=float(lengths[rows].sum(dtype=np.int64) / durations.sum(dtype=np.float64)),
            vocabulary=words[index],
            shortest=float(durations.min()),
            median=float(np.median(durations)),
            longest=float(durations.max()),
            characters=int(np.median(lengths[rows])),
        )
    return stats


def _distinct(manifest: Manifest, column: str, values: Callable[[pa.Array], pa.Array]) -> list[int]:
    """Count the distinct values of each domain, chunk by chunk: the words of all texts would not fit into memory."""
    found = [pa.array([], pa.large_string())] * len(manifest.domains)
    start = 0
    for chunk in iter_chunks(manifest.table[column]):
        domains = manifest.domain_index[start : start + len(chunk)]
        start += len(chunk)
        for index in np.unique(domains):
            new = values(chunk.filter(pa.array(domains == index)))
            found[index] = pc.unique(pa.concat_arrays([found[index], pc.unique(new)]))
    return [len(one) for one in found]


def _names(column: pa.Array) -> pa.Array:
    """Return what is no empty cell, which CSV has where a name is unknown."""
    names = column.cast(pa.large_string())
    return names.filter(pc.not_equal(names, ""))


def stats_table(manifest: Manifest) -> Table:
    """Format the statistics for a terminal."""
    table = Table(
        title=escape(f"{', '.join(map(str, manifest.files))}, normalizer {manifest.normalizer or 'unknown'}"),
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
        table.add_row(escape(domain), *counts, str(s.vocabulary), lengths, str(s.characters))
    chunks = iter_chunks(manifest.table["text"])
    alphabet = sorted(set().union(*(set("".join(chunk.to_pylist())) for chunk in chunks)))
    table.caption = escape(
        "words: distinct words; chars: median length of a text\n"
        f"fingerprint: {manifest.fingerprint[:16]}\n"
        f"alphabet: {''.join(alphabet)!r}"
    )
    return table
