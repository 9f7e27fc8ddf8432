"""What a checkpoint says of its recognizer: a plain, versioned dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stt.errors import InputError

KEY = "recognizer"  # of a checkpoint
VERSION = 2  # 1, and version 0.1 without a description, had features of other numbers under the same name
OLDER = "an older version of this project wrote it, which computed other features: train it again"


def description_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Find the description of the recognizer in the content of a checkpoint.

    Raises:
        InputError: there is none, it is damaged, or another version wrote it.
    """
    if KEY not in content:
        given = content.get("hyper_parameters")
        if isinstance(given, Mapping) and {"features", "encoder", "tokenizer"} <= set(given):
            raise InputError(OLDER)
        raise InputError("not a checkpoint of this project: it holds no recognizer")
    description = content[KEY]
    if not isinstance(description, Mapping) or not isinstance(description.get("version"), int):
        raise InputError("the description of its recognizer is damaged")
    if description["version"] > VERSION:
        raise InputError(f"a newer version of this project wrote it (description {description['version']})")
    if description["version"] < VERSION:
        raise InputError(OLDER)
    for name, kind in {"tokenizer": str, "normalizer": str, "train_domains": list}.items():
        if not isinstance(description.get(name), kind):
            raise InputError(f"the description of its recognizer is damaged: {name} is missing or wrong")
    return dict(description)
