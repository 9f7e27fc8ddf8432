"""Cuts of lhotse as they are in JSON: which utterances a cut contains, and where their audio is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stt.corpus.columns import COLUMNS

FIELDS = ("language", "gender")  # of a supervision, which become columns
MONO, MULTI = "MonoCut", "MultiCut"


class UnusableCutError(ValueError):
    """A cut that a manifest cannot describe, or that is not one."""


@dataclass(frozen=True)
class Segment:
    """A supervision of a cut.

    Attributes:
        cut: id of the cut.
        id: id of the utterance.
        address: path or URL of the recording; None if it is in the tar of a Shar folder, under the id of the cut.
        offset: start in the recording, seconds; None if the utterance is the whole recording.
        duration: seconds.
        text: the transcript.
        speaker: who speaks, if known.
        cer: `cer` of the custom fields, 0..1, if there is one.
        fields: what a domain template can use.
        extra: what becomes columns.
    """

    cut: str
    id: str
    address: str | None
    offset: float | None
    duration: float
    text: str
    speaker: str | None
    cer: float | None
    fields: Mapping[str, Any]
    extra: Mapping[str, Any]


def segments(cut: Mapping[str, Any]) -> Iterator[Segment]:
    """Yield the utterances of a cut.

    Raises:
        UnusableCutError: it is mixed, transformed, one channel of several, without a recording or a text, or no cut.
    """
    kind = cut.get("type", MONO)
    if kind not in (MONO, MULTI):
        raise UnusableCutError(f"a {kind!s:.40} cannot be in a manifest; save its audio first (lhotse's save_audios)")
    name = _get(cut, "id", str)
    start = _number(cut, "start")
    address, length = _recording(_get(cut, "recording", dict), kind)
    supervisions = _get(cut, "supervisions", list)
    if not supervisions:
        raise UnusableCutError("no supervision, so there is no text")
    for supervision in supervisions:
        if not isinstance(supervision, dict):
            raise UnusableCutError("a supervision is not an object")
        offset, duration = start + _number(supervision, "start"), _number(supervision, "duration")
        whole = offset == 0 and math.isclose(duration, length, abs_tol=1e-3)
        custom = _custom(cut) | _custom(supervision)
        known = {field: supervision[field] for field in FIELDS if field in supervision}
        speaker = supervision.get("speaker")
        yield Segment(
            cut=name,
            id=name if len(supervisions) == 1 else _get(supervision, "id", str),
            address=address,
            offset=None if whole else offset,
            duration=duration,
            text=_get(supervision, "text", str),
            speaker=None if speaker is None else str(speaker),
            cer=None if custom.get("cer") is None else _number(custom, "cer"),
            fields={**custom, **known, "speaker": speaker},
            extra={key: value for key, value in {**custom, **known}.items() if key not in COLUMNS},
        )


def _recording(recording: Mapping[str, Any], kind: str) -> tuple[str | None, float]:
    """Return the address of a recording and its duration, seconds."""
    if recording.get("transforms"):
        raise UnusableCutError("the recording is transformed (speed, volume ...); save its audio first")
    channels = recording.get("channel_ids") or [0]
    if kind == MONO and isinstance(channels, list) and len(channels) > 1:
        raise UnusableCutError("one channel of several, which a manifest cannot refer to; save its audio first")
    sources = _get(recording, "sources", list)
    if len(sources) != 1 or not isinstance(sources[0], dict):
        raise UnusableCutError(f"a recording of {len(sources)} files instead of one")
    kind_of_source, address = sources[0].get("type"), sources[0].get("source")
    if kind_of_source == "shar":
        return None, _number(recording, "duration")
    if kind_of_source not in ("file", "url") or not isinstance(address, str) or not address:
        raise UnusableCutError(f"audio from a source of the type {kind_of_source!s:.40}, not a file, an URL or a Shar")
    return address, _number(recording, "duration")


def _custom(item: Mapping[str, Any]) -> dict[str, Any]:
    custom = item.get("custom") or {}
    if not isinstance(custom, dict):
        raise UnusableCutError("custom is not an object")
    return custom


def _get(item: Mapping[str, Any], key: str, kind: type) -> Any:
    value = item.get(key)
    if not isinstance(value, kind):
        raise UnusableCutError(f"no {key}" if value is None else f"{key} is not a {kind.__name__}: {value!r:.100}")
    return value


def _number(item: Mapping[str, Any], key: str) -> float:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnusableCutError(f"{key} is not a number: {value!r:.100}")
    try:
        return float(value)
    except OverflowError as error:
        raise UnusableCutError(f"{key} is not a number") from error
