"""One row of a table as it is in the file, and the utterance that it describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stt.audio.source import resolve_address
from stt.corpus.columns import COLUMNS, to_python
from stt.corpus.row import Row, domain_of, template_fields

_NUMBERS = {"duration": float, "offset": float, "cer": float, "byte_offset": int, "byte_length": int}


class Record(NamedTuple):
    """The cells of a row by column, or the reason why it cannot be read."""

    line: int  # from 1; in Parquet the row
    cells: Mapping[str, Any]
    error: str = ""


def to_row(
    record: Record, source: Path, renamed: Mapping[str, str], domain: str, defaults: Mapping[str, object]
) -> Row:
    """Interpret a record of a table as an utterance.

    Args:
        record: the record.
        source: the table; audio paths are relative to its folder.
        renamed: names in the table of columns that are called differently there.
        domain: template over the record's cells.
        defaults: value of each field in records without it; None where it must be given.

    Raises:
        InputError: the domain template refers to an unknown field.
    """
    where = f"{source.name}:{record.line}"
    if record.error:
        return Row(where, source, "", "", error=record.error)
    fields = {**defaults, **record.cells}
    fields |= {column: record.cells.get(name) for column, name in renamed.items()}
    values, error = column_values(fields)
    if not error and not values["audio"]:
        error = "the audio is missing"
    if not error and values["text"] is None:
        error = "no text"
    return Row(
        **values
        | {
            "where": where,
            "audio": resolve_address(source.parent, values["audio"] or ""),
            "text": values["text"] or "",
            "domain": "" if error else domain_of(domain, fields | _used(domain, fields), where),
            "id": values["id"] or None,
            "speaker": values["speaker"] or None,
            "error": error,
            "extra": {k: v for k, v in record.cells.items() if k not in COLUMNS and k not in renamed.values()},
        }
    )


def _used(template: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Python values of a template's fields."""
    return {name: to_python(fields[name]) for name in template_fields(template) if name in fields}


def column_values(cells: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the values of a manifest's columns, and the error if a cell has another type."""
    values: dict[str, Any] = {}
    error = ""
    for name in COLUMNS:
        value = cells.get(name)
        try:
            values[name] = _number(value, _NUMBERS[name]) if name in _NUMBERS else _string(value)
        except (ValueError, OverflowError):
            values[name] = None
            kind = _NUMBERS.get(name)
            expected = "a string" if kind is None else "an integer" if kind is int else "a number"
            error = f"{name} is not {expected}: {to_python(value)!r:.100}"
    return values, error


def _string(value: object) -> str | None:
    value = to_python(value)
    if isinstance(value, bool | bytes | list | dict):
        raise ValueError
    return None if value is None else str(value)


def _number(value: object, kind: type[int] | type[float]) -> int | float | None:
    value = to_python(value)
    if isinstance(value, bool):
        raise ValueError
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)  # pandas writes 4.0 where other rows have none
    return None if value in (None, "") else kind(str(value))
