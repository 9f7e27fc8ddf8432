"""One row on its way into a manifest, as an importer finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.errors import InputError


@dataclass(frozen=True)
class Row:
    """An utterance as the source tells it; `where` names the source's file and line for messages.

    Either `audio` names a file (or an address such as s3://..., or a span of bytes in one), or `waveform` (sample,) at
    `sample_rate` Hz holds what an importer made itself, to be written beside the manifest under the name `audio`.
    `id` is what the source knows it by, where it has a name for it; no other row may have the same.
    `extra` holds what else the source tells, which becomes columns of the manifest.
    `fault` says why the source's line cannot be used, where the importer knows it already.
    """

    where: str
    audio: Path | str
    text: str
    domain: str
    duration: float | None = None  # seconds
    offset: float | None = None  # seconds
    speaker: str | None = None
    cer: float | None = None  # 0..1
    waveform: npt.NDArray[np.float32] | None = None
    sample_rate: int = 16_000
    fault: str = ""
    id: str | None = None
    byte_offset: int | None = None
    byte_length: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


def domain_of(template: str, fields: Mapping[str, object], where: str) -> str:
    """Fill a domain template such as `{age_group}_{gender}` with what is known of an utterance.

    Raises:
        InputError: the template names something that is not known.
    """
    known = {name: value for name, value in fields.items() if value not in (None, "")}
    try:
        return template.format_map(known).strip()
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{where}: the domain template {template!r} cannot be filled; known here: {', '.join(known) or 'nothing'}"
        ) from error
