"""Where the audio of a manifest's rows is, for manifests in other folders."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stt.audio.source import is_remote
from stt.corpus.columns import with_column
from stt.corpus.manifest import Manifest
from stt.corpus.memory_map import iter_chunks

_ABSOLUTE = r"^/|://"


def addresses(manifest: Manifest, folder: Path) -> pa.ChunkedArray:
    """Return the address of each row's audio (row,) for a manifest in `folder`: relative to it, absolute, or a URL.

    Names inside the folder stay short, so that it can be moved as a whole; all others become absolute.
    """
    target = folder.resolve()
    # A slice may begin within a part.
    starts = [*(max(first, 0) for first, _ in manifest.parts), len(manifest)] if manifest.parts else [0, len(manifest)]
    chunks = []
    for path, start, stop in zip(manifest.files, starts[:-1], starts[1:], strict=True):
        source = path.parent.resolve()
        prefix = source.relative_to(target) if source.is_relative_to(target) else source
        column = manifest.table["audio"].slice(start, stop - start)
        chunks += [_prefixed(chunk, prefix) for chunk in iter_chunks(column)]
    return pa.chunked_array(chunks, pa.large_string())


def moved_rows(manifest: Manifest, folder: Path) -> pa.Table:
    """Return the rows of a manifest for one in `folder`, of which some may be left out."""
    return with_column(manifest.divisible, "audio", addresses(manifest, folder))


def bytes_of_audio(manifest: Manifest) -> int | None:
    """Return how many bytes the audio of all rows has together, each file or byte span once.

    Returns:
        None if some of it is not on this machine.
    """
    columns = {name: manifest.table[name] for name in ("byte_offset", "byte_length")}
    spans = pa.table({"audio": addresses(manifest, Path("/dev/null")), **columns})
    total = 0
    for batch in spans.group_by(spans.column_names).aggregate([]).to_batches(max_chunksize=100_000):
        for audio, length in zip(batch["audio"].to_pylist(), batch["byte_length"].to_pylist(), strict=True):
            if is_remote(audio):
                return None
            try:
                total += Path(audio).stat().st_size if length is None else length
            except OSError:  # one of the bad rows
                continue
    return total


def _prefixed(names: pa.Array, prefix: Path) -> pa.Array:
    if prefix == Path("."):
        return names
    longer = pc.binary_join_element_wise(pa.scalar(str(prefix), names.type), names, pa.scalar("/", names.type))
    return pc.if_else(pc.match_substring_regex(names, _ABSOLUTE), names, longer)
