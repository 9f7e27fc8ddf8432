"""Provenance: the steps that a manifest comes from, kept in the metadata of its Parquet file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from stt.corpus.columns import decode_dictionary
from stt.errors import InputError, reason

STEP_KEY = b"stt.step"


def now() -> str:
    """Return the time in UTC: that of SOURCE_DATE_EPOCH if it is set (seconds; reproducible-builds.org), else now."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    time = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdecimal() else datetime.now(UTC)
    return time.isoformat(timespec="seconds")


@dataclass(frozen=True)
class Input:
    """What a step has read: a manifest, or the source of an import."""

    name: str  # of the file or folder
    fingerprint: str  # of its rows
    step: Step | None = None  # that has written it, if it says so


@dataclass(frozen=True)
class Step:
    """What was done to obtain a manifest, and from what.

    Attributes:
        name: of the step.
        version: of the step; another version may give other results.
        options: that the result depends on.
        rows_in: rows by domain before.
        rows_out: rows by domain after.
        inputs: what it has read, with the steps before.
        skipped: bad rows by kind.
        notes: what else is worth knowing of the result, such as its size.
        key: identifies inputs, options and version, so that a finished step is recognized.
        time: when it was done, UTC.
    """

    name: str
    version: int
    options: Mapping[str, Any]
    rows_in: Mapping[str, int]
    rows_out: Mapping[str, int]
    inputs: tuple[Input, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    time: str = field(default_factory=now)

    def lines(self, depth: int = 0) -> Iterator[str]:
        """Format the chain, the first step first; what several manifests were merged from is indented."""
        deeper = depth + (len(self.inputs) > 1)
        for one in self.inputs:
            if one.step is not None:
                yield from one.step.lines(deeper)
        options = " ".join(f"{name}={value}" for name, value in self.options.items() if value not in ("", None, False))
        read = ", ".join(f"{one.name} ({one.fingerprint[:16]})" for one in self.inputs)
        indent = "  " * depth
        yield f"{indent}{self.time}  {self.name} (version {self.version}) {options}".rstrip()
        yield f"{indent}  from {read}"
        total_in, total_out = sum(self.rows_in.values()), sum(self.rows_out.values())
        yield f"{indent}  {total_in:,} rows in, {total_out:,} out: {_by_domain(self.rows_in, self.rows_out)}"
        for kind, count in self.skipped.items():
            yield f"{indent}  skipped: {kind}: {count:,} rows"
        for name, value in self.notes.items():
            yield f"{indent}  {name}: {value:,}" if isinstance(value, int) else f"{indent}  {name}: {value}"


def count_domains(table: pa.Table) -> dict[str, int]:
    """Count the rows of each domain."""
    counts: dict[str, int] = {}
    for chunk in table["domain"].chunks:
        for one in pc.value_counts(decode_dictionary(chunk)).to_pylist():
            counts[one["values"]] = counts.get(one["values"], 0) + one["counts"]
    return dict(sorted(counts.items()))


def encode_step(step: Step) -> dict[bytes, bytes]:
    """Return the entry of a step for the metadata of a table."""
    return {STEP_KEY: json.dumps(asdict(step), ensure_ascii=False).encode(errors="backslashreplace")}


def read_step(path: Path) -> Step | None:
    """Return the last step that a manifest comes from, with those before; None if it does not say.

    Raises:
        InputError: the entry is damaged.
    """
    if path.suffix.lower() != ".parquet":
        return None
    try:
        with pa.OSFile(os.fsencode(path)) as file:
            metadata = pyarrow.parquet.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable table ({reason(error)})") from error
    if STEP_KEY not in metadata:
        return None
    try:
        return _decode(json.loads(metadata[STEP_KEY]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: its record of steps is damaged ({reason(error)})") from error


def _decode(fields: dict[str, Any]) -> Step:
    inputs = [
        Input(one["name"], one["fingerprint"], None if one["step"] is None else _decode(one["step"]))
        for one in fields.pop("inputs")
    ]
    return Step(**fields, inputs=tuple(inputs))


def _by_domain(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    names = sorted({*before, *after})
    shown = [
        f"{name} {before.get(name, 0):,} -> {after.get(name, 0):,}"
        if before.get(name, 0) != after.get(name, 0)
        else f"{name} {after.get(name, 0):,}"
        for name in names[:20]
    ]
    return ", ".join(shown) + (f" and {len(names) - 20} more domains" if len(names) > 20 else "")
