"""A language model on disk: KenLM's binary with a JSON file of its normalizer, order and vocabulary."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from stt.errors import InputError, reason
from stt.files import write_text


@dataclass(frozen=True)
class LanguageModelDescription:
    """Content of `<binary>.json`."""

    normalizer: str
    order: int
    words: list[str]  # vocabulary: a decoder needs it, and the binary cannot list it
    crc32: int | None = None  # of the binary, which KenLM maps into memory unchecked; None: written by version 0.1


def write_description(binary: Path, description: LanguageModelDescription) -> None:
    """Write the description next to a binary."""
    write_text(_description_path(binary), json.dumps(asdict(description), ensure_ascii=False) + "\n")


def read_description(binary: Path, normalizer: str) -> LanguageModelDescription:
    """Read the description of a binary and check it against the recognizer's normalizer.

    Raises:
        InputError: the binary or its description is missing, or the language model is damaged or was built with
            another normalizer.
    """
    hint = "create one with stt lm train"
    if not binary.is_file():
        raise InputError(f"{binary}: no such language model; {hint}")
    if not _description_path(binary).is_file():
        raise InputError(f"{_description_path(binary)} is missing; every language model needs one; {hint}")
    try:
        description = LanguageModelDescription(**json.loads(_description_path(binary).read_bytes()))
        if not isinstance(description.words, list) or not all(isinstance(word, str) for word in description.words):
            raise TypeError("words are not a list of words")
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{_description_path(binary)}: not a language model description ({reason(error)})") from error
    if description.normalizer != normalizer:
        raise InputError(
            f"{binary} was built from texts normalized by {description.normalizer}, but the model uses {normalizer}: "
            f"rebuild it with --normalizer {normalizer}"
        )
    if description.crc32 is not None and description.crc32 != crc32(binary):
        raise InputError(f"{binary} is damaged, or belongs to another {_description_path(binary).name}: {hint}")
    return description


def crc32(path: Path) -> int:
    """Return the checksum of a file."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _description_path(binary: Path) -> Path:
    return binary.with_name(binary.name + ".json")
