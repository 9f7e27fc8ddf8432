"""An exported folder: its file names, and the description beside the network; needs neither torch nor ONNX Runtime."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stt.errors import InputError, reason
from stt.text.normalize import get_normalizer

MODEL, TOKENIZER, TOKENS = "model.onnx", "tokenizer.model", "tokens.txt"
DESCRIPTION, CARD, LANGUAGE_MODEL = "export.json", "README.md", "language_model.binary"
FORMAT_VERSION = 1
ONNX, INT8, SHERPA = "onnx", "onnx-int8", "sherpa-onnx"
FORMATS = (ONNX, INT8, SHERPA)


@dataclass(frozen=True)
class Description:
    """Content of `export.json`: everything but the weights and the tokenizer."""

    format_version: int
    format: str  # one of FORMATS
    sample_rate: int  # Hz
    frame_samples: int  # from one output frame to the next
    normalizer: str
    features: dict[str, Any]  # class and arguments of the front end
    encoder: dict[str, Any]  # class and arguments of the encoder
    train_domains: list[str]
    utterance_seconds: float | None  # three quarters of the training utterances were no longer
    beam: dict[str, Any] | None  # options of the beam search that travels along; None: greedy decoding
    sha256: str  # of model.onnx
    check: dict[str, Any]  # the export compared with the checkpoint, see `stt.inference.check`

    def write(self, folder: Path) -> None:
        """Write `export.json` into a folder."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"
        (folder / DESCRIPTION).write_text(text, encoding="utf-8")


_KINDS: dict[str, type | tuple[type, ...]] = {
    "sample_rate": int,
    "frame_samples": int,
    "normalizer": str,
    "features": dict,
    "encoder": dict,
    "train_domains": list,
    "utterance_seconds": (int, float, type(None)),
    "beam": (dict, type(None)),
    "sha256": str,
    "check": dict,
}


def read_description(folder: Path) -> Description:
    """Read and check the description of an export that this project can run.

    Raises:
        InputError: the folder is no export, is damaged, of another format version, or made for sherpa-onnx.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise InputError(f"{folder}: not an export of this project: it contains no {DESCRIPTION}")
    try:
        given = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({reason(error)})") from error
    if not isinstance(given, Mapping) or not isinstance(given.get("format_version"), int):
        raise InputError(f"{path}: not the description of an export: format_version is missing or wrong")
    _check_version(path, given["format_version"])
    if given.get("format") not in FORMATS:
        raise InputError(f"{path}: damaged: format is not one of {', '.join(FORMATS)}")
    for name, kind in _KINDS.items():
        if not isinstance(given.get(name, ...), kind) or isinstance(given[name], bool):
            raise InputError(f"{path}: damaged: {name} is missing or wrong")
    if set(given) != {"format_version", "format", *_KINDS}:
        raise InputError(f"{path}: damaged: {', '.join(sorted(set(given) - set(_KINDS)))} are not all of this format")
    description = Description(**given)
    _check_values(path, description)
    return description


def _check_version(path: Path, version: int) -> None:
    if version > FORMAT_VERSION:
        raise InputError(f"{path}: written by a newer version of this project (format version {version})")
    if version < FORMAT_VERSION:
        raise InputError(
            f"{path}: written by an older version of this project (format version {version}): export again"
        )


def _check_values(path: Path, description: Description) -> None:
    seconds = description.utterance_seconds
    for name, wrong in {
        "sample_rate": description.sample_rate < 1,
        "frame_samples": description.frame_samples < 1,
        "train_domains": not all(isinstance(domain, str) for domain in description.train_domains),
        "utterance_seconds": seconds is not None and not 0 < seconds < math.inf,
    }.items():
        if wrong:
            raise InputError(f"{path}: damaged: {name} is missing or wrong")
    try:
        get_normalizer(description.normalizer)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if description.format == SHERPA:
        raise InputError(
            f"{path.parent}: an export for sherpa-onnx, which alone can run it; export it with --format onnx"
        )
