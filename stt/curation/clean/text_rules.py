"""Rules about texts and speakers: speaking rate, alphabet, and what test sets share."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stt.corpus.columns import decode_dictionary
from stt.corpus.manifest import Manifest
from stt.corpus.memory_map import iter_chunks
from stt.curation.clean.evidence import Evidence, Finding, Floats, at_most, between
from stt.text.normalize import get_normalizer


def rate(evidence: Evidence) -> Finding:
    """Find texts that are too short or too long for their audio, in characters per second."""
    limits = evidence.limits
    lengths = evidence.manifest.text_lengths()
    figures = np.where(lengths > 0, lengths, np.nan) / evidence.manifest.durations  # without a text, it is unknown
    return between(figures, limits.min_chars_per_second, limits.max_chars_per_second, "characters per second")


def alphabet(evidence: Evidence) -> Finding | None:
    """Find texts with characters outside an alphabet."""
    if evidence.alphabet is None:
        return None
    outside = "[^" + "".join(re.escape(one) for one in sorted(evidence.alphabet)) + "]"
    counts = (pc.count_substring_regex(part, outside) for part in iter_chunks(evidence.manifest.table["text"]))
    return at_most(_concatenated(counts), 0, "characters outside the alphabet")


def text_in_test(evidence: Evidence) -> Finding | None:
    """Find texts that test sets have too; compared as `plain-1` leaves them if they were normalized differently."""
    if not evidence.tests:
        return None
    manifests = [evidence.manifest, *evidence.tests]
    names = {one.normalizer for one in manifests}
    texts = [_texts(one, as_they_are=len(names) == 1 and None not in names) for one in manifests]
    return at_most(_occurrences(texts[0], texts[1:]), 0, "utterances in test sets with the text")


def speaker_in_test(evidence: Evidence) -> Finding | None:
    """Find speakers that test sets have too."""
    if not evidence.tests:
        return None
    speakers = [
        pa.chunked_array([decode_dictionary(part) for part in one.table["speaker"].chunks], pa.string())
        for one in (evidence.manifest, *evidence.tests)
    ]
    return at_most(_occurrences(speakers[0], speakers[1:]), 0, "utterances in test sets of the speaker")


def _texts(manifest: Manifest, as_they_are: bool) -> pa.ChunkedArray:
    if as_they_are:
        return manifest.table["text"]
    normalize = get_normalizer("plain-1")
    chunks = (
        pa.array([normalize(text).text for text in part.to_pylist()], pa.large_string())
        for part in iter_chunks(manifest.table["text"])
    )
    return pa.chunked_array(chunks, pa.large_string())


def _occurrences(values: pa.ChunkedArray, tests: list[pa.ChunkedArray]) -> Floats:
    """Count how often test sets have each value (row,); an empty one is nowhere."""
    known = [_known(chunk) for one in tests for chunk in one.chunks]
    counted = pc.value_counts(pa.chunked_array(known, values.type))
    places = _concatenated(
        pc.fill_null(pc.index_in(_known(chunk), counted.field("values"), skip_nulls=True), -1)
        for chunk in iter_chunks(values)
    ).astype(np.int64)
    counts = np.append(counted.field("counts").to_numpy(), 0).astype(np.float64)
    return np.asarray(counts[places], dtype=np.float64)


def _known(values: pa.Array) -> pa.Array:
    """Return the values (n,), null where they are empty."""
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)


def _concatenated(parts: Iterable[pa.Array]) -> Floats:
    return np.concatenate([np.zeros(0), *(part.to_numpy() for part in parts)])
