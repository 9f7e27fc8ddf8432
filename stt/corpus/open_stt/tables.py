"""The tables of Open STT: their names, domains and splits; and the lists of utterances that its authors exclude."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from stt.corpus.delimited import read_delimited
from stt.corpus.row import Row
from stt.errors import InputError
from stt.progress import track

COLUMNS = ("table", "name", "domain", "split")
SPLITS = ("train", "validation")
# Audio lies under the SHA-1 of its samples: DATA_SET/h/hh/hhhhhhhhhhhh.opus
PATH = re.compile(r"([^/]+)/([0-9a-f])/([0-9a-f]{2})/([0-9a-f]{12})\.\w+")


class Table(NamedTuple):
    """A table of the corpus."""

    table: str  # name of its file, without .csv
    name: str  # what its authors call the data set
    domain: str
    split: str  # train or validation


def read_tables(path: Path | None = None) -> dict[str, Table]:
    """Read which domain and split each table has, from the package's list or one of one's own, by table.

    Raises:
        InputError: the list has other columns, or an invalid row.
    """
    source = path or Path(str(files("stt.corpus.open_stt") / "domains.csv"))
    columns, records = read_delimited(source)
    if not set(COLUMNS) <= set(columns):
        raise InputError(f"{source}: the columns must be {', '.join(COLUMNS)}, not {', '.join(columns)}")
    tables = {}
    for record in records:
        table = Table(*(record.cells.get(column, "").strip() for column in COLUMNS))
        if record.error or not table.table or table.split not in SPLITS:
            error = record.error or f"a row needs a table, and one of {', '.join(SPLITS)} as its split"
            raise InputError(f"{source}:{record.line}: {error}")
        tables[table.table] = table
    return tables


def utterance_key(path: str) -> str:
    """Return `<data set>_<15 hexadecimal digits>` for a path of the corpus, empty if it is not in its form.

    The lists of excluded utterances name .wav files, the release has .opus: this is what both have, and what ESPnet's
    recipe compares.
    """
    match = PATH.search(path)
    return "" if match is None else f"{match[1]}_{match[2]}{match[3]}{match[4]}"


def read_excluded(paths: Iterable[Path], bad: list[Row]) -> set[str]:
    """Read lists of excluded utterances, which have a column `wav`, as keys; append their bad lines to `bad`.

    Raises:
        InputError: a list is missing or has no such column.
    """
    keys: set[str] = set()
    for path in paths:
        columns, records = read_delimited(path)
        if "wav" not in columns:
            raise InputError(f"{path}: no column 'wav', which a list of excluded utterances has")
        for record in track(records, f"reading {path.name}"):
            key = utterance_key(record.cells.get("wav", ""))
            if record.error or not key:
                error = record.error or "the wav is not DATA_SET/h/hh/hhhhhhhhhhhh.wav"
                bad.append(Row(f"{path.name}:{record.line}", "", "", "", error=error))
            else:
                keys.add(key)
    return keys
