"""What people have decided on tasks of Label Studio, read from its exports JSON and JSON_MIN."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stt.corpus.exporters.label_studio import DECISION, KEEP, MENDED, REJECT, UTTERANCE
from stt.errors import InputError, reason


@dataclass(frozen=True)
class Annotation:
    """What a person has said of an utterance.

    Attributes:
        utterance: its id.
        text: its text when it was exported.
        decision: `keep`, `reject`, or empty if there is none.
        mended: the text as the person has left it; None if it was cleared.
        by: name or number of the person.
        rank: the annotation with the highest counts: ground truth first, then the last that was changed.
        cancelled: whether the person has skipped the task.
    """

    utterance: str
    text: str
    decision: str
    mended: str | None
    by: str
    rank: tuple[bool, datetime, int]
    cancelled: bool = False


def read_annotations(path: Path) -> list[Annotation]:
    """Read the annotations of all tasks of an export.

    Raises:
        InputError: the file is missing, no such export, or its tasks are not those of `stt corpus export label_studio`.
    """
    if not path.is_file():
        raise InputError(f"{path}: the export of Label Studio is not found")
    try:
        text = path.read_text("utf-8-sig")
        tasks = json.loads(text)
        if "\\u" in text:  # half of a character that was cut in two is valid JSON, but no text
            json.dumps(tasks, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({reason(error)}); export as JSON or JSON_MIN") from error
    if not isinstance(tasks, list) or not tasks:
        raise InputError(f"{path}: no list of tasks, so it is not an export of Label Studio as JSON or JSON_MIN")
    return [
        annotation
        for number, task in enumerate(tasks, 1)
        for annotation in _annotations(task, f"{path}: task {number}")
    ]


def _annotations(task: object, where: str) -> Iterator[Annotation]:
    if not isinstance(task, dict):
        raise InputError(f"{where} is not an object")
    data = task.get("data", task)
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in (UTTERANCE, "text")):
        raise InputError(f"{where} has no {UTTERANCE} and text: it was not made by stt corpus export label_studio")
    if "data" not in task:
        if task.get("annotation_id") is not None:
            controls = {name: task.get(name) for name in (DECISION, MENDED)}
            yield _annotation(data, controls, task.get("annotator"), task, task["annotation_id"], where)
        return
    for one in _list(task, "annotations", where):
        if not isinstance(one, dict):
            raise InputError(f"{where}: an annotation is not an object")
        controls = {name: value for result in _list(one, "result", where) for name, value in _control(result, where)}
        yield _annotation(data, controls, one.get("completed_by"), one, one.get("id"), where)


def _control(result: object, where: str) -> Iterator[tuple[str, Any]]:
    """Yield name and value of a control; those that others have added to the interface have no meaning here."""
    if not isinstance(result, dict) or not isinstance(result.get("value", {}), dict):
        raise InputError(f"{where}: a result is not an object")
    value = result.get("value", {})
    if result.get("from_name") == DECISION:
        yield DECISION, value.get("choices")
    elif result.get("from_name") == MENDED:
        yield MENDED, value.get("text")


def _annotation(
    data: Mapping[str, Any],
    controls: Mapping[str, Any],
    by: object,
    times: Mapping[str, Any],
    number: object,
    where: str,
) -> Annotation:
    decision = _single(controls.get(DECISION), DECISION, where) or ""
    if decision not in ("", KEEP, REJECT):
        raise InputError(f"{where}: the {DECISION} is {decision!r:.50}, not {KEEP} or {REJECT}")
    updated = times.get("updated_at") or times.get("created_at")
    try:
        time = datetime.fromisoformat(str(updated))
    except ValueError as error:
        raise InputError(f"{where}: an annotation has no time at which it was changed ({updated!r:.50})") from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    person = by.get("email") or by.get("id") if isinstance(by, dict) else by
    return Annotation(
        utterance=data[UTTERANCE],
        text=data["text"],
        decision=decision,
        mended=_single(controls.get(MENDED), MENDED, where),
        by="" if person is None else str(person),
        rank=(bool(times.get("ground_truth")), time, number if isinstance(number, int) else 0),
        cancelled=bool(times.get("was_cancelled")),
    )


def _single(value: object, name: str, where: str) -> str | None:
    """Return the value of a control, which is a string, or a list of one; None if there is none."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    texts = [one for one in values if isinstance(one, str)]
    if len(values) > 1 or len(texts) < len(values):
        raise InputError(f"{where}: {name} has {len(values)} values, instead of one text")
    return texts[0] if texts else None


def _list(item: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = item.get(key)
    if not isinstance(value, list):
        raise InputError(f"{where} has no list of {key}, so it is not an export of Label Studio as JSON or JSON_MIN")
    return value
