"""One row on its way into a manifest, as read by an importer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import numpy.typing as npt

from stt.errors import InputError


@dataclass(frozen=True)
class Row:
    """An utterance from a source; `where` gives the source's file and line for messages.

    Either `audio` names a file (or a URL such as s3://..., or a byte span of one); or the importer has the audio, to be
    written next to the manifest under the name `audio`: as `waveform` (sample,) at `sample_rate` Hz, or as `content`,
    the bytes of a file in any format.
    `id` is the source's own id, if it has one; it must be unique.
    `extra` contains additional fields of the source, which become columns of the manifest.
    `error` is the reason why the row cannot be used, if the importer has found one. `excluded` is the reason why the
    importer was asked to leave the row out: such rows are counted, and are not bad.
    `unlabelled` says that nobody has written what is said: the text is empty, and that is no error.
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
    error: str = ""
    id: str | None = None
    byte_offset: int | None = None
    byte_length: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    excluded: str = ""
    unlabelled: bool = False


def domain_of(template: str, fields: Mapping[str, object], where: str) -> str:
    """Fill a domain template such as `{age_group}_{gender}` with the fields of an utterance.

    Braces contain the name of a field and nothing else: no attributes, indices or formats, so that a template reaches
    what the source says of an utterance only. If a field is empty, so is the domain, which the import reports.

    Raises:
        InputError: the template is invalid or refers to an unknown field.
    """
    domain = ""
    for literal, name, suffix in _parse(template):
        domain += literal
        if name is None:
            continue
        if suffix or name not in fields:
            available = ", ".join(fields) or "none"
            raise InputError(f"{where}: cannot fill the domain template {template!r}; available fields: {available}")
        if fields[name] in (None, ""):
            return ""
        domain += str(fields[name])
    return domain.strip()


def template_fields(template: str) -> list[str]:
    """Return the names of the fields of a domain template.

    Raises:
        InputError: the template is invalid.
    """
    return [name for _, name, _ in _parse(template) if name is not None]


@cache
def _parse(template: str) -> list[tuple[str, str | None, str]]:
    """Split a template into literals, the field after each if any, and the format or conversion of the field."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"invalid domain template {template!r} ({error})") from error
    return [(literal, name, (form or "") + (conversion or "")) for literal, name, form, conversion in parts]
