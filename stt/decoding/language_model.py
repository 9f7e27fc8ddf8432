"""A language model on disk: KenLM's binary, and beside it what made it and the words that it knows."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from stt.errors import InputError
from stt.files import atomic_write


@dataclass(frozen=True)
class Description:
    """What stands beside the binary in `<binary>.json`."""

    normalizer: str
    order: int
    words: list[str]  # a binary cannot be asked for them, and a decoder wants to know


def describe(binary: Path, description: Description) -> None:
    """Write the description of a binary."""
    with atomic_write(_beside(binary)) as temporary:
        temporary.write_text(json.dumps(asdict(description), ensure_ascii=False) + "\n", encoding="utf-8")


def description_of(binary: Path, normalizer: str) -> Description:
    """Read the description of a binary for a model that writes texts of a normalizer.

    Raises:
        InputError: the binary or its description is missing, or the texts of the language model were
            normalized otherwise.
    """
    made = "make one with stt lm train"
    if not binary.is_file():
        raise InputError(f"{binary}: there is no such language model; {made}")
    if not _beside(binary).is_file():
        raise InputError(f"{_beside(binary)} is missing, which stands beside a language model; {made}")
    try:
        description = Description(**json.loads(_beside(binary).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{_beside(binary)}: not the description of a language model ({error})") from error
    if description.normalizer != normalizer:
        raise InputError(
            f"{binary} was made of texts normalized by {description.normalizer}, the model writes {normalizer}: "
            f"make it again with --normalizer {normalizer}"
        )
    return description


def _beside(binary: Path) -> Path:
    return binary.with_name(binary.name + ".json")
