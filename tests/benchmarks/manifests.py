"""A manifest of sentences without audio."""

from pathlib import Path

import pyarrow as pa

from stt.corpus.manifest import write_manifest


def write_sentences(path: Path, count: int) -> Path:
    """Write a manifest of different sentences of five seconds."""
    rows = [
        {
            "id": f"u{i}",
            "audio": f"{i}.wav",
            "text": f"sentence {i} of so many words",
            "duration": 5.0,
            "domain": "home",
        }
        for i in range(count)
    ]
    write_manifest(pa.Table.from_pylist(rows), path, "plain-1")
    return path
