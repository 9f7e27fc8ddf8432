"""Download of Open STT: its archives and tables, compared with their sums."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from stt.corpus.extract import extract
from stt.corpus.fetch import fetch
from stt.corpus.open_stt.tables import read_tables
from stt.errors import InputError
from stt.files import write_text
from stt.progress import track_bytes

RELEASE = files("stt.corpus.open_stt") / "files.json"


class DataSet(NamedTuple):
    """A data set of the release.

    Attributes:
        gigabytes: size of the archive.
        archive: MD5 sum of `archives/NAME.tar.gz`.
        manifest: MD5 sum of `manifests/NAME.csv`.
        texts: whether the archive has the texts; those of the others are given out by a form.
    """

    gigabytes: float
    archive: str
    manifest: str
    texts: bool


def read_release() -> tuple[str, dict[str, DataSet]]:
    """Return the address that all files have in common, and the data sets by name."""
    content = json.loads(RELEASE.read_text())
    return content["root"], {name: DataSet(**one) for name, one in content["sets"].items()}


def choose(names: Sequence[str]) -> list[str]:
    """Return the data sets of the given names, which are those of the files or the authors'.

    Raises:
        InputError: there are none, or one is unknown; the message lists all with their sizes.
    """
    _, sets = read_release()
    by_name = {name: table.table for table in read_tables().values() for name in (table.name, table.table)}
    unknown = sorted(set(names) - by_name.keys())
    if not names or unknown:
        problem = f"there is no data set {', '.join(unknown)}" if unknown else "nothing was chosen with --only"
        listed = ", ".join(f"{name} ({one.gigabytes:g} GB)" for name, one in sets.items())
        raise InputError(f"{problem}; Open STT has {listed}")
    return list(dict.fromkeys(by_name[name] for name in names))


def download(name: str, out: Path, root: str, keep_archive: bool, wait_seconds: float = 1.0) -> int | None:
    """Download a data set: `OUT/manifests/NAME.csv`, and the content of its archive in `OUT`.

    Args:
        name: the data set.
        out: folder of the corpus.
        root: address under which `archives/` and `manifests/` are.
        keep_archive: keep `OUT/archives/NAME.tar.gz`.
        wait_seconds: the first pause after a connection broke off.

    Returns:
        The number of files extracted; None if an earlier download was complete.

    Raises:
        InputError: a file cannot be downloaded, or the archive is refused.
    """
    data_set = read_release()[1][name]
    root = root.rstrip("/")
    table, archive = out / "manifests" / f"{name}.csv", out / "archives" / f"{name}.tar.gz"
    with track_bytes(f"downloading {table.name}") as progress:
        fetch(f"{root}/manifests/{name}.csv", table, data_set.manifest, progress, wait_seconds)
    done = archive.with_name(f"{archive.name}.done")
    if done.is_file() and done.read_text().strip() == data_set.archive:
        return None
    with track_bytes(f"downloading {archive.name}") as progress:
        fetch(f"{root}/archives/{name}.tar.gz", archive, data_set.archive, progress, wait_seconds)
    size = archive.stat().st_size
    with track_bytes(f"extracting {archive.name}") as progress:
        count = extract(archive, out, lambda position: progress(position, size))
    write_text(done, f"{data_set.archive}\n")
    if not keep_archive:
        archive.unlink()
    return count
