"""The description of a recognizer in a checkpoint: a plain, versioned dict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stt.errors import InputError

KEY = "recognizer"  # in a checkpoint
VERSION = 2  # version 1, and release 0.1 without a description, computed different feature values under the same name
OLDER = "written by an older version of this project, which computed different features: train it again"


def extract_description(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of the recognizer in a loaded checkpoint.

    Raises:
        InputError: it is missing, damaged, or of another version.
    """
    if KEY not in content:
        hyper_parameters = content.get("hyper_parameters")
        if isinstance(hyper_parameters, Mapping) and {"features", "encoder", "tokenizer"} <= set(hyper_parameters):
            raise InputError(OLDER)
        raise InputError("not a checkpoint of this project: it contains no recognizer")
    description = content[KEY]
    if not isinstance(description, Mapping) or not isinstance(description.get("version"), int):
        raise InputError("its recognizer description is damaged")
    if description["version"] > VERSION:
        raise InputError(f"written by a newer version of this project (description version {description['version']})")
    if description["version"] < VERSION:
        raise InputError(OLDER)
    for name, kind in {"tokenizer": str, "normalizer": str, "train_domains": list}.items():
        if not isinstance(description.get(name), kind):
            raise InputError(f"its recognizer description is damaged: {name} is missing or wrong")
    seconds = description.get("utterance_seconds")  # not in earlier checkpoints of this version
    if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
        raise InputError("its recognizer description is damaged: utterance_seconds is wrong")
    return dict(description)
