"""Error rates by domain for hypotheses of any system, with the same references, normalizer and table."""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from stt.corpus.manifest import Manifest
from stt.errors import InputError
from stt.metrics.domain_metric import AlignedUtterance
from stt.metrics.domain_results import DomainResult, measure_by_domain
from stt.recognition.hypotheses import ExternalHypothesis
from stt.text.normalize import get_normalizer

DEFAULT_NORMALIZER = "plain-1"
ANY_FOLDER = ".../"  # before the end of an utterance's path


@dataclass(frozen=True)
class ScoreResult:
    """Error rates by domain, and the utterances and hypotheses without a counterpart."""

    rates: dict[str, DomainResult]
    normalizer: str
    missing: list[str]  # utterances without a hypothesis, scored as an empty hypothesis
    unmatched: list[str]  # names of hypotheses that match no utterance, not scored
    dropped: Counter[str]  # symbols in hypotheses that the normalizer cannot verbalize, by kind


def score(manifest: Manifest, hypotheses: Iterable[ExternalHypothesis], normalizer: str | None = None) -> ScoreResult:
    """Score hypotheses against the references of a manifest.

    Utterances are matched by audio path, with or without extension, or else id; of two paths, as many folders are
    compared as the shorter one has. Where the manifest consists of segments of longer files, the offset must match too.

    Args:
        manifest: references.
        hypotheses: hypotheses of any system, in any order.
        normalizer: applied to both sides; None: that of the manifest, or else `plain-1`.

    Raises:
        InputError: the manifest was created with another normalizer, or a hypothesis matches several utterances
            or an utterance that already has one.
    """
    if normalizer and manifest.normalizer and normalizer != manifest.normalizer:
        raise InputError(f"{manifest.path} was normalized with {manifest.normalizer}, not with {normalizer}")
    normalize = get_normalizer(normalizer or manifest.normalizer or DEFAULT_NORMALIZER)
    rows = _rows_by_name(manifest)
    ids = {str(manifest.value(row, "id")): row for row in range(len(manifest))}
    texts: dict[int, str] = {}
    unmatched: list[str] = []
    dropped: Counter[str] = Counter()
    for hypothesis in hypotheses:
        row = _find_row(hypothesis, rows, ids, manifest)
        if row is None:
            unmatched.append(_with_offset(hypothesis.utterance, hypothesis.offset))
            continue
        if row in texts:
            raise InputError(f"{hypothesis.location}: second hypothesis for {manifest.name(row)}")
        normalized = normalize(hypothesis.text)
        dropped += normalized.rejected
        texts[row] = normalized.text

    def aligned() -> Iterator[tuple[str, AlignedUtterance]]:
        for row in range(len(manifest)):
            text = manifest.text(row)
            reference = text if manifest.normalizer else normalize(text).text
            utterance = AlignedUtterance(reference, texts.get(row, ""), float(manifest.durations[row]))
            yield str(manifest.value(row, "domain")), utterance

    missing = [manifest.name(row) for row in range(len(manifest)) if row not in texts]
    return ScoreResult(measure_by_domain(aligned()), normalize.name, missing, unmatched, dropped)


def _rows_by_name(manifest: Manifest) -> dict[str, int | None]:
    """Map every name of every row to the row; None for ambiguous names."""
    rows: dict[str, int | None] = {}
    for row in range(len(manifest)):
        audio = str(manifest.value(row, "audio"))
        offset = manifest.offset(row) if manifest.has_offsets else None
        start = manifest.value(row, "byte_offset")
        if start is None:
            names = {audio, manifest.audio(row).absolute().address}
            for whole in _with_stem(_parts(audio)):
                names |= {whole, *(f"{ANY_FOLDER}{end}" for end in _ends(whole))}
        else:
            names = {f"{audio} at byte {start}"}
        for name in {_with_offset(name, offset) for name in names}:
            rows[name] = None if name in rows else row
    return rows


def _find_row(
    hypothesis: ExternalHypothesis, rows: dict[str, int | None], ids: dict[str, int], manifest: Manifest
) -> int | None:
    offset = hypothesis.offset if manifest.has_offsets else None
    names = [hypothesis.utterance, str(Path(hypothesis.utterance).absolute())]
    for whole in _with_stem(_parts(hypothesis.utterance)):
        names += [f"{ANY_FOLDER}{whole}", *_ends(whole)]
    known = [name for name in (_with_offset(name, offset) for name in names) if name in rows]
    row = next((rows[name] for name in known if rows[name] is not None), ids.get(hypothesis.utterance))
    if known and row is None:
        raise InputError(f"{hypothesis.location}: {hypothesis.utterance} matches several utterances of {manifest.path}")
    return row


def _parts(name: str) -> PurePath:
    """Return the folders and the file of a path or URL, without what says where the first folder is."""
    path = PurePath(os.path.normpath(name))
    return PurePath(*(part for part in path.parts if part not in (path.anchor, "..")))


def _with_stem(path: PurePath) -> list[str]:
    return [str(path), str(path.with_suffix(""))] if path.suffix else [str(path)]


def _ends(path: str) -> list[str]:
    """Return a path and what is left of it without its first folders, longest first."""
    parts = PurePath(path).parts
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _with_offset(name: str, offset: float | None) -> str:
    return name if offset is None else f"{name} at {offset:g} s"
