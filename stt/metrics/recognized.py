"""What a network made of each utterance of a split, kept in a run folder as JSON Lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from stt.audio.source import AudioSource
from stt.errors import InputError
from stt.files import atomic_write
from stt.metrics.error_rate import character_error_rate


@dataclass(frozen=True)
class RecognizedUtterance:
    """One utterance: where it is, what is said in it, and what was understood."""

    row: int  # of the manifest, from 1
    utterance: str
    domain: str
    audio: str  # path of the file, or its address
    offset: float  # seconds into the audio
    seconds: float
    level_range: float  # dB between the loud and the quiet frames: how far speech stands out of the noise
    reference: str
    hypothesis: str
    confidence: float  # 0..1
    byte_offset: int | None = None  # where the audio begins in the file; None where it is the whole file
    byte_length: int | None = None

    @property
    def source(self) -> AudioSource:
        """Where its audio is."""
        return AudioSource(self.audio, self.byte_offset, self.byte_length)

    @property
    def cer(self) -> float:
        """Character error rate; an empty reference counts as one character."""
        return character_error_rate(self.reference, self.hypothesis)


def worst(items: Iterable[RecognizedUtterance], per_domain: int) -> list[RecognizedUtterance]:
    """Give the worst of each domain, domains by name, each with the highest CER first."""
    return first_of_each_domain(sorted(items, key=lambda item: (item.domain, -item.cer, item.row)), per_domain)


def first_of_each_domain(items: Iterable[RecognizedUtterance], most: int) -> list[RecognizedUtterance]:
    """Give the first ones of each domain, in their order."""
    counts: Counter[str] = Counter()
    kept = []
    for item in items:
        counts[item.domain] += 1
        if counts[item.domain] <= most:
            kept.append(item)
    return kept


def write_recognized(items: Sequence[RecognizedUtterance], path: Path) -> None:
    """Write utterances, one JSON line each, in the order of their rows."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for item in sorted(items, key=lambda item: item.row):
            file.write(json.dumps(asdict(item) | {"cer": item.cer}, ensure_ascii=False) + "\n")


def read_recognized(path: Path) -> list[RecognizedUtterance]:
    """Read what `write_recognized` wrote.

    Raises:
        InputError: the file is missing, or a line is not an utterance.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; a validation or a test of the run writes it")
    names = {field.name for field in fields(RecognizedUtterance)}
    items = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                items.append(
                    RecognizedUtterance(**{name: value for name, value in json.loads(line).items() if name in names})
                )
            except (ValueError, TypeError, AttributeError) as error:
                raise InputError(f"{path}:{number}: not a recognized utterance ({error})") from error
    return items
