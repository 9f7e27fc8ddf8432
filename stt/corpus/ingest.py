"""Import of rows into a manifest: every row is checked; bad rows are counted, reported and listed in a file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import soundfile

from stt.audio.io import AudioError, audio_info, durations_agree
from stt.audio.source import AudioSource, relative_address
from stt.corpus.columns import COLUMNS, check_domains, concat_tables, extra_columns
from stt.corpus.ids import with_ids
from stt.corpus.manifest import write_manifest
from stt.corpus.row import Row
from stt.errors import InputError
from stt.files import atomic_write
from stt.progress import track
from stt.text.normalize import Normalizer

MAX_TEXT = 100_000  # characters; an hour of speech has about 60,000
MAX_BYTES = 2**63  # of the columns' type
CHUNK_ROWS = 2_000  # checked at once; limits memory, whatever the size of the source
CHUNK_BYTES = 64_000_000  # of audio that importers have in memory


@dataclass
class Report:
    """Result of an import: rows kept, bad and excluded rows by kind, and changes made by the normalizer."""

    kept: int = 0
    excluded: Counter[str] = field(default_factory=Counter)  # by the importer's options
    bad: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # kind: (where, reason)
    changed: Counter[str] = field(default_factory=Counter)
    changed_texts: int = 0  # in more than letter case, punctuation and spaces
    as_strings: list[str] = field(default_factory=list)  # columns whose values have no common type

    @property
    def bad_count(self) -> int:
        """Number of bad rows."""
        return sum(map(len, self.bad.values()))

    def lines(self) -> Iterator[str]:
        """Format the report: a line for each kind, with the first occurrences."""
        if self.changed_texts:
            yield f"normalizer: {self.changed_texts} of {self.kept} texts changed"
        for kind, count in self.changed.most_common():
            yield f"normalizer: {kind}: {count} times"
        for kind, count in self.excluded.most_common():
            yield f"excluded: {kind}: {count} rows"
        for name in self.as_strings:
            yield f"column {name}: the values have no common type, so they are stored as strings"
        for kind, rows in sorted(self.bad.items()):
            locations = ", ".join(where for where, _ in rows[:10]) + (" ..." if len(rows) > 10 else "")
            yield f"{kind}: {len(rows)} rows ({locations}); first: {rows[0][1]}"

    def write(self, path: Path) -> None:
        """List all bad rows in a CSV file."""
        with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["where", "kind", "reason"])
            writer.writerows([where, kind, reason] for kind, bad in self.bad.items() for where, reason in bad)


def ingest(rows: Iterable[Row], out: Path, normalizer: Normalizer, skip_bad: bool, id_prefix: str = "") -> Report:
    """Check rows and write the good ones to a Parquet manifest.

    Every row gets an id: `id_prefix` followed by the id from the source, or by one derived from its audio reference.
    Additional fields of the source become columns.

    Rows that the importer excludes are counted. Bad rows are listed in `OUT.bad.csv`. Unless `skip_bad` is true, no
    manifest is written if there is a single bad row.

    Raises:
        InputError: there are bad rows and `skip_bad` is false, or there are no good rows.
    """
    report = Report()
    bad_list = out.with_suffix(".bad.csv")
    tables = []
    ids: set[str] = set()
    progress = track(rows, f"importing to {out.name}")
    with ThreadPoolExecutor(8) as pool:
        for chunk in _chunks(progress, report):
            good = []
            for row, error in pool.map(lambda row: _check(row, out), chunk):
                text = normalizer("" if error else row.text)
                error = error or text_error(text.text, text.rejected) or _id_error(row.id, ids)
                if error:
                    report.bad.setdefault(error[0], []).append((row.where, error[1]))
                else:
                    report.changed += text.changed
                    report.changed_texts += bool(set(text.changed) - {"punctuation"})
                    good.append(replace(row, text=text.text))
            tables.append(_table(good, out))
            report.kept += len(good)
    if report.bad:
        report.write(bad_list)
        if not skip_bad:
            raise InputError(
                "\n  ".join(
                    [
                        f"{report.bad_count} of {report.bad_count + report.kept} rows are bad, no manifest was written "
                        f"(use --skip-bad to skip them; all are listed in {bad_list}):",
                        *report.lines(),
                    ]
                )
            )
    else:
        bad_list.unlink(missing_ok=True)  # of an earlier import; only now, because it may be what was read
    if not report.kept:
        raise InputError(f"no rows could be imported to {out}" + "".join(f"\n  {line}" for line in report.lines()))
    table, report.as_strings = concat_tables(tables)
    table = with_ids(table)
    prefix, separator = pa.scalar(id_prefix, pa.large_string()), pa.scalar("", pa.large_string())
    prefixed = pc.binary_join_element_wise(prefix, table["id"], separator)
    write_manifest(table.set_column(table.column_names.index("id"), "id", prefixed), out, normalizer.name)
    return report


def _chunks(rows: Iterable[Row], report: Report) -> Iterator[list[Row]]:
    """Yield lists of rows that fit into memory; count excluded rows instead."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        if row.excluded:
            report.excluded[row.excluded] += 1
            continue
        chunk.append(row)
        size += len(row.content or b"")
        if len(chunk) == CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _check(row: Row, out: Path) -> tuple[Row, tuple[str, str] | None]:
    """Check one row against its audio file; return the row with its duration, and the kind of error and a reason."""
    if row.error:
        return row, ("bad line", row.error)
    if not row.domain:
        return row, ("no domain", "the domain, or a field of its template, is empty")
    check_domains([row.domain], row.where)
    if len(row.text) > MAX_TEXT:
        return row, ("long text", f"the text has {len(row.text):,} characters, more than {MAX_TEXT:,}")
    if not _is_unicode(row):
        return row, ("not Unicode", "the id, audio, domain or speaker is not valid Unicode")
    if row.cer is not None and not 0 <= row.cer <= 1:
        return row, ("invalid cer", f"cer must be in 0..1, not {row.cer:g}")
    start, length = row.byte_offset, row.byte_length
    if (start is None) != (length is None):
        return row, ("invalid byte span", "byte_offset and byte_length must be given together")
    if start is not None and length is not None and not (0 <= start < MAX_BYTES and 0 < length < MAX_BYTES):
        return row, ("invalid byte span", f"no file has {length} bytes from byte {start} on")
    if row.waveform is not None:
        path = _place(row, out)
        soundfile.write(path, row.waveform, row.sample_rate)
        return replace(row, audio=path, waveform=None, duration=len(row.waveform) / row.sample_rate), None
    if row.content is not None:
        path = _place(row, out)
        path.write_bytes(row.content)
        row, error = _check(replace(row, audio=path, content=None), out)
        if error:
            path.unlink()
        return row, error
    try:
        actual = audio_info(AudioSource(str(row.audio), start, length), verify=True).duration
    except AudioError as unreadable:
        return row, ("unreadable audio", str(unreadable))
    offset = row.offset or 0.0
    rest = actual - offset
    if not (offset >= 0 and rest > 0):  # NaN is neither
        return row, ("invalid offset", f"{row.audio}: offset {offset:g} s in a file of {actual:.2f} s")
    if row.duration is None:
        return replace(row, duration=rest), None
    must_agree = row.duration > rest if row.offset is not None else True
    if not row.duration > 0 or (must_agree and not durations_agree(row.duration, rest)):
        return row, ("wrong duration", f"{row.audio}: expected {row.duration:g} s, found {rest:.2f} s")
    return row, None


def _place(row: Row, out: Path) -> Path:
    """Return where to write the audio of a row, in a folder that exists."""
    path = out.with_suffix("") / row.audio
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _is_unicode(row: Row) -> bool:
    """Return whether the names can be stored; those of files that are not UTF-8 have surrogates."""
    try:
        f"{row.id} {row.audio} {row.domain} {row.speaker}".encode()
    except UnicodeEncodeError:
        return False
    return True


def text_error(text: str, rejected: Counter[str]) -> tuple[str, str] | None:
    """Return the kind of error of a normalized text and a reason, or None if it can be used."""
    if rejected:
        return f"text with {min(rejected)}", f"its pronunciation is unknown to the normalizer: {', '.join(rejected)}"
    return None if text else ("empty text", "the text is empty after normalization")


def _id_error(name: str | None, ids: set[str]) -> tuple[str, str] | None:
    if name is None:
        return None
    if name in ids:
        return "duplicate id", f"an earlier row has the same id {name}"
    ids.add(name)
    return None


def _table(rows: list[Row], out: Path) -> pa.Table:
    folder = out.parent.resolve()
    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS if name != "audio"}
    columns["audio"] = [relative_address(str(row.audio), folder) for row in rows]
    table = pa.table({name: pa.array(columns[name], kind) for name, kind in COLUMNS.items()})
    extra = extra_columns([row.extra for row in rows])
    for name in extra.column_names:
        table = table.append_column(name, extra[name])
    return table
