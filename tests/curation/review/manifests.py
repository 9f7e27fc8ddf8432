"""A manifest of rejected utterances, as its tasks were imported into Label Studio for the exports in this folder."""

from pathlib import Path

import pyarrow as pa
import soundfile

from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from tests.corpus.exporters.conftest import RATE, noise

ROWS = [  # id, domain, text, hypothesis, rule, figure, limit
    ("u1", "calls", "one two", "one too", "cer", 0.3, 0.2),
    ("u2", "calls", "three", "free", "cer", 0.5, 0.2),
    ("u3", "calls", "four five", None, "speech_rate", 40.0, 25.0),
    ("u4", "radio", "six", "six", "confidence", 0.4, 0.6),
    ("u5", "radio", "seven", "eleven", "cer", 0.6, 0.2),
    ("u6", "radio", "eight", None, "duplicate", None, None),
]


def write_rejected(folder: Path) -> Manifest:
    """Write the manifest and its audio: half a second of noise for each utterance."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("id", "domain", "text", "hypothesis", "rule", "figure", "limit")
    rows = []
    for i, cells in enumerate(ROWS):
        soundfile.write(folder / f"{i}.wav", noise(0.5, i), RATE)
        row = dict(zip(names, cells, strict=True))
        rows.append(
            {**row, "audio": f"{i}.wav", "duration": 0.5, "cer": row["figure"] if row["rule"] == "cer" else None}
        )
    write_manifest(pa.Table.from_pylist(rows), folder / "m.rejected.parquet", "plain-1")
    return read_manifest(folder / "m.rejected.parquet")
