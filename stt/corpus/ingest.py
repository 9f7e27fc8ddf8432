"""From an importer's rows to a manifest: every row is checked, every bad one counted, named and written down."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import soundfile

from stt.audio.io import AudioError, audio_info, durations_agree
from stt.audio.source import AudioSource, is_remote
from stt.corpus.columns import COLUMNS, extra_columns, joined
from stt.corpus.ids import with_ids
from stt.corpus.manifest import write_manifest
from stt.corpus.row import Row
from stt.errors import InputError
from stt.files import atomic_write
from stt.progress import track
from stt.text.normalize import Normalizer

CHUNK = 2_000  # rows checked at once; bounds the memory, whatever the size of the source


@dataclass
class Report:
    """What an import did: rows kept, bad rows by kind, and changes that the normalizer made."""

    kept: int = 0
    bad: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # kind: (where, reason)
    changed: Counter[str] = field(default_factory=Counter)
    as_texts: list[str] = field(default_factory=list)  # columns whose values have no common type

    @property
    def bad_count(self) -> int:
        """Number of bad rows."""
        return sum(map(len, self.bad.values()))

    def lines(self) -> Iterator[str]:
        """Say it in words: a line for each kind, with the first places."""
        for kind, count in self.changed.most_common():
            yield f"normalizer: {kind}: {count} times"
        for name in self.as_texts:
            yield f"column {name}: its values have no common type, so they are kept as texts"
        for kind, found in sorted(self.bad.items()):
            places = ", ".join(where for where, _ in found[:10]) + (" ..." if len(found) > 10 else "")
            yield f"{kind}: {len(found)} rows ({places}); first: {found[0][1]}"


def ingest(rows: Iterable[Row], out: Path, normalizer: Normalizer, skip_bad: bool, id_prefix: str = "") -> Report:
    """Check rows and write the good ones to a Parquet manifest.

    Every row gets an id: `id_prefix` and the one that the source gives, or one that follows from where its audio is.
    What else the source tells of its rows becomes columns.

    Bad rows are listed in `OUT.bad.csv`. Unless `skip_bad` is true, one bad row is enough and no
    manifest is written.

    Raises:
        InputError: there are bad rows and they may not be skipped, or no row is good.
    """
    report = Report()
    bad_list = out.with_suffix(".bad.csv")
    bad_list.unlink(missing_ok=True)
    tables = []
    known: set[str] = set()
    progress = track(rows, f"importing to {out.name}")
    with ThreadPoolExecutor(8) as pool:
        while chunk := list(islice(progress, CHUNK)):
            good = []
            for row, fault in pool.map(lambda row: _checked(row, out), chunk):
                text = normalizer(row.text)
                if not fault:
                    fault = _text_fault(text.text, text.rejected) or _id_fault(row.id, known)
                if fault:
                    report.bad.setdefault(fault[0], []).append((row.where, fault[1]))
                else:
                    report.changed += text.changed
                    good.append(replace(row, text=text.text))
            tables.append(_table(good, out))
            report.kept += len(good)
    if report.bad:
        with atomic_write(bad_list) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["where", "kind", "reason"])
            writer.writerows([where, kind, why] for kind, found in report.bad.items() for where, why in found)
        if not skip_bad:
            raise InputError(
                "\n  ".join(
                    [
                        f"{report.bad_count} of {report.bad_count + report.kept} rows are bad, nothing is written "
                        f"(--skip-bad leaves them out; all of them are listed in {bad_list}):",
                        *report.lines(),
                    ]
                )
            )
    if not report.kept:
        raise InputError(f"not one row could be imported to {out}" + "".join(f"\n  {line}" for line in report.lines()))
    table, report.as_texts = joined(tables)
    table = with_ids(table)
    prefix, nothing = pa.scalar(id_prefix, pa.large_string()), pa.scalar("", pa.large_string())
    ids = pc.binary_join_element_wise(prefix, table["id"], nothing)
    write_manifest(table.set_column(table.column_names.index("id"), "id", ids), out, normalizer.name)
    return report


def _checked(row: Row, out: Path) -> tuple[Row, tuple[str, str] | None]:
    """Check one row against its audio file; gives the row with its duration, or a kind of fault and a reason."""
    if row.fault:
        return row, ("bad line", row.fault)
    if not row.domain:
        return row, ("no domain", "the domain is empty")
    if row.cer is not None and not 0 <= row.cer <= 1:
        return row, ("wrong cer", f"cer must lie in 0..1, not {row.cer:g}")
    if (row.byte_offset is None) != (row.byte_length is None) or (row.byte_offset or 0) < 0:
        return row, ("wrong span", "byte_offset and byte_length belong together, and no file begins before its byte 0")
    if row.waveform is not None:
        path = out.with_suffix("") / row.audio
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, row.waveform, row.sample_rate)
        return replace(row, audio=path, waveform=None, duration=len(row.waveform) / row.sample_rate), None
    try:
        actual = audio_info(AudioSource(str(row.audio), row.byte_offset, row.byte_length)).duration
    except AudioError as error:
        return row, ("unreadable audio", str(error))
    offset = row.offset or 0.0
    rest = actual - offset
    if offset < 0 or rest <= 0:
        return row, ("wrong offset", f"{row.audio}: offset {offset:g} s in a file of {actual:.2f} s")
    if row.duration is None:
        return replace(row, duration=rest), None
    lies = row.duration > rest if row.offset is not None else True
    if not row.duration > 0 or (lies and not durations_agree(row.duration, rest)):
        return row, ("wrong duration", f"{row.audio}: {row.duration:g} s are promised, there are {rest:.2f} s")
    return row, None


def _text_fault(text: str, refused: Counter[str]) -> tuple[str, str] | None:
    if refused:
        return f"text with {min(refused)}", f"the normalizer cannot tell how it is spoken: {', '.join(refused)}"
    return None if text else ("empty text", "nothing is left of the text")


def _id_fault(name: str | None, known: set[str]) -> tuple[str, str] | None:
    if name is None:
        return None
    if name in known:
        return "id twice", f"the id {name} is that of a row before"
    known.add(name)
    return None


def _table(rows: list[Row], out: Path) -> pa.Table:
    folder = out.parent.resolve()
    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS if name != "audio"}
    columns["audio"] = [_relative(str(row.audio), folder) for row in rows]
    table = pa.table({name: pa.array(columns[name], kind) for name, kind in COLUMNS.items()})
    extra = extra_columns([row.extra for row in rows])
    for name in extra.column_names:
        table = table.append_column(name, extra[name])
    return table


def _relative(address: str, folder: Path) -> str:
    if is_remote(address):
        return address
    path = Path(address).resolve()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
