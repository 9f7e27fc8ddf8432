"""What a checkpoint says of its recognizer: a plain, versioned dict, also made of what older checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stt.errors import InputError

KEY = "recognizer"  # of a checkpoint
VERSION = 1


def description_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Find the description of the recognizer in the content of a checkpoint.

    Raises:
        InputError: there is none, it is damaged, or a newer version wrote it.
    """
    description = content[KEY] if KEY in content else _of_hyper_parameters(content)
    if not isinstance(description, Mapping) or not isinstance(description.get("version"), int):
        raise InputError("the description of its recognizer is damaged")
    if description["version"] > VERSION:
        raise InputError(f"a newer version of this project wrote it (description {description['version']})")
    for name, kind in {"tokenizer": str, "normalizer": str, "train_domains": list}.items():
        if not isinstance(description.get(name), kind):
            raise InputError(f"the description of its recognizer is damaged: {name} is missing or wrong")
    return dict(description)


def _of_hyper_parameters(content: Mapping[str, Any]) -> dict[str, Any]:
    """Translate what the command line of version 0.1 put into checkpoints: class paths become names."""
    given = content.get("hyper_parameters")
    if not isinstance(given, Mapping) or not {"features", "encoder", "tokenizer", "normalizer"} <= set(given):
        raise InputError("not a checkpoint of this project: it holds no recognizer")
    return {
        "version": VERSION,
        "features": _part(given["features"]),
        "encoder": _part(given["encoder"]),
        "tokenizer": given["tokenizer"],
        "normalizer": given["normalizer"],
        "train_domains": content.get("train_domains", []),
    }


def _part(configured: Any) -> dict[str, Any]:
    path = configured.get("class_path") if isinstance(configured, Mapping) else None
    if not isinstance(path, str):
        raise InputError("not a checkpoint of this project: its parts have no names")
    return {"class": path, "arguments": configured.get("init_args") or {}}
