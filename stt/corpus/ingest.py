"""Import of rows into a manifest: every row is checked; bad rows are counted, reported and listed in a file."""

from __future__ import annotations

import hashlib
import io
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import soundfile

from stt.audio.io import AudioError, durations_agree
from stt.audio.source import AudioSource, relative_address
from stt.corpus.columns import COLUMNS, concat_tables, domain_error, extra_columns, is_unicode, with_column
from stt.corpus.ids import with_ids
from stt.corpus.manifest import write_manifest
from stt.corpus.provenance import Input, Step, count_domains
from stt.corpus.report import Report
from stt.corpus.row import Row
from stt.corpus.sharding.engine import Engine, result_of, submit
from stt.corpus.stored_audio import store
from stt.corpus.verified import verified_duration
from stt.errors import InputError
from stt.progress import track
from stt.text.normalize import Normalizer

VERSION = 1  # of the import, in the records of manifests
MAX_TEXT = 100_000  # characters; an hour of speech has about 60,000
MAX_BYTES = 2**63  # of the columns' type
CHUNK_ROWS = 2_000  # checked at once; limits memory, whatever the size of the source
CHUNK_BYTES = 64_000_000  # of audio that importers have in memory


class Checked(NamedTuple):
    """A row with its normalized text and its duration, why it is bad if it is, and what the normalizer has changed."""

    row: Row
    error: tuple[str, str] | None  # kind and reason
    changed: Counter[str]


@dataclass(frozen=True)
class Origin:
    """What is imported, for the record in the manifest."""

    source: str  # name of the file or folder
    options: Mapping[str, Any] = field(default_factory=dict)  # of the import


def ingest(
    rows: Iterable[Row],
    out: Path,
    normalizer: Normalizer,
    skip_bad: bool,
    id_prefix: str = "",
    origin: Origin | None = None,
    engine: Engine | None = None,
) -> Report:
    """Check rows and write the good ones to a Parquet manifest.

    Every row gets an id: `id_prefix` followed by the id from the source, or by one derived from its audio reference.
    Additional fields of the source become columns.

    Rows are checked by eight threads, or by the processes of an engine: reading headers takes longer than the rest.
    Rows that the importer excludes are counted. Bad rows are listed in `OUT.bad.csv`. Unless `skip_bad` is true, no
    manifest is written if there is a single bad row.

    Raises:
        InputError: there are bad rows and `skip_bad` is false, or there are no good rows.
    """
    report = Report()
    bad_list = out.with_suffix(".bad.csv")
    tables = []
    ids: set[str] = set()
    source = _Source(rows)
    progress = track(source, f"importing to {out.name}")
    with _checked(_chunks(progress, report), out, normalizer, engine) as checked:
        for chunk in checked:
            good = []
            for row, error, changed in chunk:
                error = error or _id_error(row.id, ids)
                if error:
                    report.bad[error[0]].append((row.where, error[1]))
                else:
                    report.changed += changed
                    report.changed_texts += bool(set(changed) - {"punctuation"})
                    good.append(row)
            tables.append(_table(good, out))
            report.kept += len(good)
    if report.bad:
        report.write(bad_list)
        if not skip_bad:
            raise InputError(report.refusal("no manifest was written", bad_list))
    else:
        bad_list.unlink(missing_ok=True)  # of an earlier import; only now, because it may be what was read
    if not report.kept:
        raise InputError(f"no rows could be imported to {out}" + "".join(f"\n  {line}" for line in report.lines()))
    table, report.as_strings = concat_tables(tables)
    table = with_ids(table)
    prefix, separator = pa.scalar(id_prefix, pa.large_string()), pa.scalar("", pa.large_string())
    prefixed = pc.binary_join_element_wise(prefix, table["id"], separator)
    table = with_column(table, "id", prefixed)
    write_manifest(table, out, normalizer.name, source.step(table, report, origin) if origin else None)
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


class _Source:
    """The rows of an import, of which it keeps the count by domain and a fingerprint."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self._domains: Counter[str] = Counter()
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self._domains[row.domain or "(no domain)"] += 1
            told = (row.where, str(row.audio), row.text, row.domain, row.duration, row.offset, row.speaker, row.id)
            span = (row.byte_offset, row.byte_length, row.cer, row.error)
            self._digest.update(repr(told + span).encode(errors="backslashreplace"))
            yield row

    def step(self, table: pa.Table, report: Report, origin: Origin) -> Step:
        source = Input(origin.source, self._digest.hexdigest())
        counts = dict(sorted(self._domains.items()))
        return Step("import", VERSION, origin.options, counts, count_domains(table), (source,), report.skipped)


@contextmanager
def _checked(
    chunks: Iterator[list[Row]], out: Path, normalizer: Normalizer, engine: Engine | None
) -> Iterator[Iterator[list[Checked]]]:
    """Yield the checked chunks in order; some are checked ahead by the processes of an engine, if there is one."""
    if engine is None:
        with ThreadPoolExecutor(8) as pool:
            check = partial(_check_row, out, normalizer)
            yield (list(pool.map(check, chunk)) for chunk in chunks)
    else:
        with engine.executor() as (executor, slots):
            yield _ahead(chunks, executor, slots, partial(_check_rows, out, normalizer))


def _ahead(
    chunks: Iterator[list[Row]], executor: Executor, slots: int, check: Callable[[list[Row]], list[Checked]]
) -> Iterator[list[Checked]]:
    pending: deque[tuple[Future[list[Checked]], list[Mapping[str, Any]]]] = deque()

    def first() -> list[Checked]:
        future, extras = pending.popleft()
        checked: list[Checked] = result_of(future)
        return [one._replace(row=replace(one.row, extra=extra)) for one, extra in zip(checked, extras, strict=True)]

    for chunk in chunks:
        extras = [row.extra for row in chunk]  # they stay here: not checked, and Arrow cannot send all values
        pending.append((submit(executor, check, [replace(row, extra={}) for row in chunk]), extras))
        if len(pending) > slots:
            yield first()
    while pending:
        yield first()


def _check_rows(out: Path, normalizer: Normalizer, rows: list[Row]) -> list[Checked]:
    """Check rows in a process of an engine."""
    return [_check_row(out, normalizer, row) for row in rows]


def _check_row(out: Path, normalizer: Normalizer, row: Row) -> Checked:
    """Check a row and normalize its text."""
    row, error = _check(row, out)
    if row.unlabelled:
        return Checked(row, error, Counter())
    text = normalizer("" if error else row.text)
    return Checked(replace(row, text=text.text), error or text_error(text.text, text.rejected), text.changed)


def _check(row: Row, out: Path) -> tuple[Row, tuple[str, str] | None]:
    """Check one row against its audio file; return the row with its duration, and the kind of error and a reason."""
    if row.error:
        return row, ("bad line", row.error)
    if not row.domain:
        return row, ("no domain", "the domain, or a field of its template, is empty")
    if invalid := domain_error(row.domain):
        return row, ("invalid domain", invalid)
    if len(row.text) > MAX_TEXT:
        return row, ("long text", f"the text has {len(row.text):,} characters, more than {MAX_TEXT:,}")
    if not is_unicode(f"{row.id} {row.audio} {row.domain} {row.speaker}"):
        return row, ("not Unicode", "the id, audio, domain or speaker is not valid Unicode")
    if row.cer is not None and math.isnan(row.cer):
        row = replace(row, cer=None)  # a table's way to say that it is unknown
    if row.cer is not None and not 0 <= row.cer <= 1:
        return row, ("invalid cer", f"cer must be in 0..1, not {row.cer:g}")
    start, length = row.byte_offset, row.byte_length
    if (start is None) != (length is None):
        return row, ("invalid byte span", "byte_offset and byte_length must be given together")
    if start is not None and length is not None and not (0 <= start < MAX_BYTES and 0 < length < MAX_BYTES):
        return row, ("invalid byte span", f"no file has {length} bytes from byte {start} on")
    if row.waveform is not None:
        file = io.BytesIO()
        soundfile.write(file, row.waveform, row.sample_rate, format=Path(row.audio).suffix[1:])
        path, _ = store(file.getvalue(), out.with_suffix("") / row.audio)
        return replace(row, audio=path, waveform=None, duration=len(row.waveform) / row.sample_rate), None
    if row.content is not None:
        path, is_new = store(row.content, out.with_suffix("") / row.audio)
        row, error = _check(replace(row, audio=path, content=None), out)
        if error and is_new:
            path.unlink()
        return row, error
    try:
        actual = verified_duration(AudioSource(str(row.audio), start, length))
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
