"""Import Open STT, the Russian corpus of some 20,000 hours (CC-BY-NC 4.0)."""

from __future__ import annotations

import hashlib
import logging
import os.path
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from stt.audio.source import is_remote
from stt.corpus.delimited import read_delimited
from stt.corpus.lines import read_lines, read_transcript
from stt.corpus.open_stt.tables import Table, read_excluded, read_tables, utterance_key
from stt.corpus.record import Record
from stt.corpus.row import Row, domain_of
from stt.errors import InputError
from stt.progress import track

log = logging.getLogger(__name__)
HEADER = ("wav_path", "text_path", "duration")
AUDIO = (".opus", ".mp3", ".wav")  # the release has opus, earlier ones mp3 and wav; the tables may say another
TEXT = (".txt",)


def rows(
    source: Path,
    *,
    split: Literal["train", "validation", "all"] = "train",
    only: list[str] | None = None,
    domain: str = "{domain}",
    domains: Path | None = None,
    exclude: list[Path] | None = None,
    keep_validation_texts: bool = False,
    audio_root: Path | None = None,
    md5: Path | None = None,
) -> Iterator[Row]:
    """Read `manifests/*.csv` with the audio and the text files they name; the id is DATA_SET_HASH.

    Training utterances whose text is also one of a validation set are left out and counted, and so are those of the
    lists of excluded utterances.

    Args:
        source: the folder of the corpus, or one of its tables.
        split: which tables of a folder to import; `all` is not for training.
        only: table to import instead, such as `audiobook_2`, by the name of the file or of the data set; may be
            repeated.
        domain: template over `table`, `name`, `domain` and `split` of the list of domains, and `folder` of the audio;
            or a fixed name.
        domains: your own list of domains instead of `stt/corpus/open_stt/domains.csv`, with the same columns.
        exclude: list of utterances to leave out (CSV with a column wav), such as public_exclude_file_v5.csv; may be
            repeated.
        keep_validation_texts: keep training utterances whose text is also in the validation sets next to the table.
        audio_root: folder that paths in the tables are relative to; by default that of the corpus.
        md5: list of sums (md5sum.lst) to compare the tables with.
    """
    known = read_tables(domains)
    folder = source.parent if source.is_file() else source
    if not source.is_file() and (source / "manifests").is_dir():
        folder = source / "manifests"
    root = audio_root or (folder.parent if folder.resolve().name == "manifests" else folder)
    chosen = [source] if source.is_file() else _choose(folder, known, split, only or [])
    for path in chosen:
        if path.stem not in known:
            raise InputError(f"{path}: the table is not in the list of domains; add it to a copy, for --domains")
    if md5:
        _check_sums(chosen, md5)
    bad: list[Row] = []
    excluded = read_excluded(exclude or [], bad)
    yield from bad
    train = any(known[path.stem].split == "train" for path in chosen)
    spoken = _validation_texts(folder, known, root) if train and not keep_validation_texts else set()
    for path in chosen:
        table = known[path.stem]
        for record in read_delimited(path, HEADER)[1]:
            yield _row(record, table, root, domain, excluded, spoken if table.split == "train" else set())


def _choose(folder: Path, known: dict[str, Table], split: str, names: Sequence[str]) -> list[Path]:
    by_name = {name: table.table for table in known.values() for name in (table.name, table.table)}
    unknown = sorted(name for name in names if name not in by_name)
    if unknown:
        raise InputError(f"--only: {', '.join(unknown)} is not in the list of domains: {', '.join(by_name)}")
    if names:
        return [folder / f"{by_name[name]}.csv" for name in names]
    paths = sorted(path for path in folder.glob("*.csv"))
    chosen = [path for path in paths if split == "all" or path.stem not in known or known[path.stem].split == split]
    if not chosen:
        raise InputError(f"{folder}: no tables (.csv) of the split {split!r} found")
    return chosen


def _row(record: Record, table: Table, root: Path, domain: str, excluded: set[str], spoken: set[str]) -> Row:
    where = f"{table.table}.csv:{record.line}"
    if record.error:
        return Row(where, "", "", "", error=record.error)
    name = record.cells["wav_path"]
    key = utterance_key(name)
    if key in excluded:
        return Row(where, "", "", "", excluded="in a list of excluded utterances")
    text, error = read_transcript(Path(_find(root, record.cells["text_path"], TEXT)))
    if not error and _comparable(text) in spoken:
        return Row(where, "", "", "", excluded="the text is also in a validation set")
    duration = None
    try:
        duration = float(record.cells["duration"])
    except ValueError:
        error = error or f"duration is not a number: {record.cells['duration']!r:.100}"
    fields = {**table._asdict(), "folder": key.rpartition("_")[0]}
    return Row(
        where,
        _find(root, name, AUDIO),
        text,
        domain_of(domain, fields, where),
        duration=duration,
        error=error or ("" if name else "the audio is missing"),
        id=key or os.path.splitext(name)[0] or None,
    )


def _find(root: Path, name: str, extensions: Sequence[str]) -> str:
    """Return the file that a table names, with whatever extension it has, and also if the table is from elsewhere."""
    if is_remote(name):
        return name
    inside = "/".join(name.split("/")[-4:])  # DATA_SET/h/hh/hash.ext
    for path in (str(root / name), str(root / inside)):
        stem = os.path.splitext(path)[0]
        for candidate in (path, *(stem + extension for extension in extensions)):
            if os.path.isfile(candidate):
                return candidate
    return str(root / name)


def _validation_texts(folder: Path, known: dict[str, Table], root: Path) -> set[str]:
    """Return the texts of the validation tables of a folder; what is missing is logged."""
    texts: set[str] = set()
    paths = [folder / f"{table.table}.csv" for table in known.values() if table.split == "validation"]
    for path in paths:
        if not path.is_file():
            log.warning("%s is missing: training utterances with the same texts are not left out", path)
            continue
        unreadable = 0
        for record in track(read_delimited(path, HEADER)[1], f"reading the texts of {path.stem}"):
            text, error = read_transcript(Path(_find(root, record.cells.get("text_path", ""), TEXT)))
            unreadable += bool(error)
            texts.add(_comparable(text))
        if unreadable:
            log.warning("%s: %d texts cannot be read, so they are not compared with the training's", path, unreadable)
    return texts - {""}


def _comparable(text: str) -> str:
    return text.strip().lower()


def _check_sums(paths: Sequence[Path], md5: Path) -> None:
    """Compare tables with their sums.

    Raises:
        InputError: a table is another than the list says, or is not in it.
    """
    sums = {}
    for line in read_lines(md5):
        total, _, name = line.text.strip().partition(" ")
        sums[Path(name.strip()).name] = total
    for path in paths:
        expected = sums.get(path.name)
        if expected is None:
            raise InputError(f"{md5}: no sum of {path.name}")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
        if found != expected:
            raise InputError(f"{path}: the MD5 sum is {found}, {md5} has {expected}: download the table again")
