"""A language model on disk: KenLM's binary with a JSON file of its normalizer, order and vocabulary."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from stt.errors import InputError
from stt.files import atomic_write


@dataclass(frozen=True)
class LanguageModelDescription:
    """Content of `<binary>.json`."""

    normalizer: str
    order: int
    words: list[str]  # vocabulary: a decoder needs it, and the binary cannot list it


def write_description(binary: Path, description: LanguageModelDescription) -> None:
    """Write the description next to a binary."""
    with atomic_write(_description_path(binary)) as temporary:
        temporary.write_text(json.dumps(asdict(description), ensure_ascii=False) + "\n", encoding="utf-8")


def read_description(binary: Path, normalizer: str) -> LanguageModelDescription:
    """Read the description of a binary and check it against the recognizer's normalizer.

    Raises:
        InputError: the binary or its description is missing, or the language model was built with another normalizer.
    """
    hint = "create one with stt lm train"
    if not binary.is_file():
        raise InputError(f"{binary}: no such language model; {hint}")
    if not _description_path(binary).is_file():
        raise InputError(f"{_description_path(binary)} is missing; every language model needs one; {hint}")
    try:
        description = LanguageModelDescription(**json.loads(_description_path(binary).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{_description_path(binary)}: not a language model description ({error})") from error
    if description.normalizer != normalizer:
        raise InputError(
            f"{binary} was built from texts normalized by {description.normalizer}, but the model uses {normalizer}: "
            f"rebuild it with --normalizer {normalizer}"
        )
    return description


def _description_path(binary: Path) -> Path:
    return binary.with_name(binary.name + ".json")
