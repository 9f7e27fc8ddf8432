"""What the ladder consists of: a list in a YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from stt.errors import InputError
from stt.launch import ROOT

LADDER = ROOT / "configs" / "ablation" / "ladder.yaml"


@dataclass(frozen=True)
class Step:
    """One network of the ladder."""

    name: str
    change: str  # against the step before
    config: str  # model configuration, from the root of the template
    letters: bool = False  # one token a letter instead of the tokenizer of the data configuration


def read_ladder(path: Path = LADDER, names: Sequence[str] = ()) -> list[Step]:
    """Read the steps of a ladder, or those of them that are named.

    Raises:
        InputError: the file is not a list of steps, or a name is not in it.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no ladder")
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise InputError(f"{path}: not a list of steps")
    known = {field.name for field in fields(Step)}
    steps = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or not {"name", "change", "config"} <= set(entry) <= known:
            raise InputError(f"{path}: step {number} must have name, change, config, and may have letters")
        steps.append(Step(**entry))
        if not (ROOT / steps[-1].config).is_file():
            raise InputError(f"{path}: {steps[-1].config}, of step {steps[-1].name}, is missing")
    unknown = sorted(set(names) - {step.name for step in steps})
    if unknown:
        raise InputError(f"{path} has no step {', '.join(unknown)}; it has {', '.join(step.name for step in steps)}")
    return [step for step in steps if not names or step.name in names]
