"""Recognition result of each utterance of a split, stored in the run folder as JSON Lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

from stt.audio.source import AudioSource
from stt.errors import InputError, reason
from stt.files import atomic_write
from stt.metrics.error_rate import character_error_rate

MAX_NUMBER = 2**62  # no row, time or place in a file is larger


@dataclass(frozen=True)
class RecognizedUtterance:
    """One utterance: location of its audio, reference and hypothesis."""

    row: int  # manifest row, from 1
    utterance: str
    domain: str
    audio: str  # path or URL
    offset: float  # seconds into the audio
    seconds: float
    level_range: float  # dB between loud and quiet frames, a proxy for SNR
    reference: str
    hypothesis: str
    confidence: float  # 0..1
    byte_offset: int | None = None  # start of the audio in the file; None: the whole file
    byte_length: int | None = None

    @property
    def source(self) -> AudioSource:
        """Location of its audio."""
        return AudioSource(self.audio, self.byte_offset, self.byte_length)

    @property
    def cer(self) -> float:
        """Character error rate; an empty reference counts as one character."""
        return character_error_rate(self.reference, self.hypothesis)


def worst_per_domain(items: Iterable[RecognizedUtterance], count: int) -> list[RecognizedUtterance]:
    """Return the worst utterances of each domain: domains sorted by name, highest CER first."""
    return first_per_domain(sorted(items, key=lambda item: (item.domain, -item.cer, item.row)), count)


def first_per_domain(items: Iterable[RecognizedUtterance], count: int) -> list[RecognizedUtterance]:
    """Return the first `count` utterances of each domain, in their order."""
    counts: Counter[str] = Counter()
    kept = []
    for item in items:
        counts[item.domain] += 1
        if counts[item.domain] <= count:
            kept.append(item)
    return kept


def write_recognized(items: Sequence[RecognizedUtterance], path: Path) -> None:
    """Write one JSON line per utterance, sorted by row."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for item in sorted(items, key=lambda item: item.row):
            file.write(json.dumps(asdict(item) | {"cer": item.cer}, ensure_ascii=False) + "\n")


def read_recognized(path: Path) -> list[RecognizedUtterance]:
    """Read a file written by `write_recognized`.

    Raises:
        InputError: the file is missing, or a line is not an utterance.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; validating or testing the run writes it")
    items = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                items.append(_utterance(json.loads(line)))
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise InputError(f"{path}:{number}: not a recognized utterance ({reason(error)})") from error
    return items


def _utterance(given: dict[str, Any]) -> RecognizedUtterance:
    """Build an utterance, whose values must have the types of its fields; other entries are ignored."""
    kinds = get_type_hints(RecognizedUtterance)
    item = RecognizedUtterance(**{name: value for name, value in given.items() if name in kinds})
    for name, kind in kinds.items():
        value = getattr(item, name)
        if not isinstance(value, int | float if kind is float else kind) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}")
        if isinstance(value, str):
            value.encode()  # half of a character is valid JSON, but no text
        elif value is not None and not 0 <= value < MAX_NUMBER:
            raise ValueError(f"{name} is {value!r}")
    return item
