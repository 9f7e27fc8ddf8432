"""Import Golos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from stt.corpus.json_lines import read_json_lines
from stt.corpus.record import to_row
from stt.corpus.row import Row

SUBSETS = ("crowd", "farfield")


def rows(source: Path, *, domain: str = "{subset}") -> Iterator[Row]:
    """Read a manifest of Golos, where crowd and farfield are domains.

    The subset is the first folder of the audio (`train_opus/manifest.jsonl`), or that of the manifest
    (`test_opus/crowd/manifest.jsonl`). An `id` is used if there is one; all other keys become columns.

    Args:
        source: a manifest, such as `train_opus/10hours.jsonl`, or the folder of a manifest.jsonl.
        domain: template over `subset` and the line's keys, or a fixed name.
    """
    manifest = source / "manifest.jsonl" if source.is_dir() else source
    defaults = {key: None for record in read_json_lines(manifest) for key in record.cells}
    for record in read_json_lines(manifest):
        subset = _subset(record.cells.get("audio_filepath"), manifest)
        yield to_row(record, manifest, {"audio": "audio_filepath"}, domain, {**defaults, "subset": subset})


def _subset(audio: object, manifest: Path) -> str | None:
    folders = [*PurePosixPath(str(audio)).parts[:1], manifest.absolute().parent.name]
    return next((name for name in folders if name in SUBSETS), None)
