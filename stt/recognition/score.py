"""Error rates by domain of what any system has recognized: same references, same normalizer, same table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from stt.corpus.manifest import Manifest
from stt.errors import InputError
from stt.metrics.domain_metric import AlignedUtterance
from stt.metrics.domain_results import DomainResult, measure_by_domain
from stt.recognition.hypotheses import Recognition
from stt.text.normalize import get_normalizer

DEFAULT_NORMALIZER = "plain-1"


@dataclass(frozen=True)
class ScoreResult:
    """Error rates by domain, and what of the two files did not meet."""

    rates: dict[str, DomainResult]
    normalizer: str
    missing: list[str]  # utterances without a hypothesis, which count as if nothing was recognized
    surplus: list[str]  # names of hypotheses that are of no utterance, which do not count
    dropped: Counter[str]  # what the normalizer could not turn into words, in hypotheses, by kind


def score(manifest: Manifest, hypotheses: Iterable[Recognition], normalizer: str | None = None) -> ScoreResult:
    """Compare hypotheses with the references of a manifest.

    An utterance is found by the path of its audio, by its file's name, or by that name without its ending, or else by
    its id; in a manifest of windows in longer files, the offset belongs to the name.

    Args:
        manifest: the references.
        hypotheses: of any system, in any order.
        normalizer: of both sides; None takes that which made the manifest, or else `plain-1`.

    Raises:
        InputError: the manifest was made with another normalizer, or a hypothesis is of several utterances, or
            there twice.
    """
    if normalizer and manifest.normalizer and normalizer != manifest.normalizer:
        raise InputError(f"{manifest.path} was normalized by {manifest.normalizer}, not by {normalizer}")
    normalize = get_normalizer(normalizer or manifest.normalizer or DEFAULT_NORMALIZER)
    rows = _rows_by_name(manifest)
    ids = {str(manifest.value(row, "id")): row for row in range(len(manifest))}
    found: dict[int, str] = {}
    surplus: list[str] = []
    dropped: Counter[str] = Counter()
    for one in hypotheses:
        row = _row_of(one, rows, ids, manifest)
        if row is None:
            surplus.append(_with_offset(one.utterance, one.offset))
            continue
        if row in found:
            raise InputError(f"{one.where}: there is a second hypothesis for {manifest.name(row)}")
        normalized = normalize(one.text)
        dropped += normalized.rejected
        found[row] = normalized.text

    def compared() -> Iterator[tuple[str, AlignedUtterance]]:
        for row in range(len(manifest)):
            text = manifest.text(row)
            reference = text if manifest.normalizer else normalize(text).text
            utterance = AlignedUtterance(reference, found.get(row, ""), float(manifest.durations[row]))
            yield str(manifest.value(row, "domain")), utterance

    missing = [manifest.name(row) for row in range(len(manifest)) if row not in found]
    return ScoreResult(measure_by_domain(compared()), normalize.name, missing, surplus, dropped)


def _rows_by_name(manifest: Manifest) -> dict[str, int | None]:
    """Every name of every row; None for a name that several have."""
    rows: dict[str, int | None] = {}
    for row in range(len(manifest)):
        audio = str(manifest.value(row, "audio"))
        offset = manifest.offset(row) if manifest.has_offsets else None
        start = manifest.value(row, "byte_offset")
        if start is None:
            names = {audio, manifest.audio(row).absolute().address, PurePath(audio).name, PurePath(audio).stem}
        else:
            names = {f"{audio} at byte {start}"}
        for name in {_with_offset(name, offset) for name in names}:
            rows[name] = None if name in rows else row
    return rows


def _row_of(one: Recognition, rows: dict[str, int | None], ids: dict[str, int], manifest: Manifest) -> int | None:
    offset = one.offset if manifest.has_offsets else None
    path = PurePath(one.utterance)
    names = [one.utterance, str(Path(one.utterance).absolute()), path.name, path.stem]
    known = [name for name in (_with_offset(name, offset) for name in names) if name in rows]
    row = next((rows[name] for name in known if rows[name] is not None), ids.get(one.utterance))
    if known and row is None:
        raise InputError(f"{one.where}: {one.utterance} names several utterances of {manifest.path}")
    return row


def _with_offset(name: str, offset: float | None) -> str:
    return name if offset is None else f"{name} at {offset:g} s"
