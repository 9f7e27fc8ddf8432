"""Manifests of every kind of audio reference."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.corpus.tar_spans import tar_spans

RATE = 8_000


def noise(seconds: float, seed: int, channels: int = 1) -> np.ndarray:
    shape = (int(seconds * RATE), channels) if channels > 1 else (int(seconds * RATE),)
    return np.random.default_rng(seed).uniform(-0.1, 0.1, shape).astype(np.float32)


def write(folder: Path, rows: list[dict[str, object]]) -> Manifest:
    """Write a manifest of rows that have the columns id, audio and text, and further ones."""
    common = {"domain": "radio", "offset": None, "byte_offset": None, "byte_length": None}
    table = pa.Table.from_pylist([{"speaker": None, "cer": None, **common, **row} for row in rows])
    write_manifest(table, folder / "m.parquet", "plain-1")
    return read_manifest(folder / "m.parquet")


def write_one(folder: Path, **columns: object) -> Manifest:
    """Write a file of a second and a manifest of it, with further columns."""
    folder.mkdir()
    soundfile.write(folder / "a.wav", noise(1, 0), RATE)
    return write(folder, [{"id": "a", "audio": "a.wav", "text": "x", "duration": 1.0, **columns}])


@pytest.fixture
def whole(tmp_path: Path) -> Manifest:
    """Whole files, with everything that a row can have."""
    folder = tmp_path / "corpus"
    rows: list[dict[str, object]] = []
    for i, (domain, speaker) in enumerate([("radio", "anna"), ("calls", None), ("radio", "bob")]):
        path = folder / "audio" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(1 + i, i), RATE)
        extra = {"language": "ru", "votes": i} if i else {"language": None, "votes": 7}
        known = {"id": f"u{2 - i}", "audio": f"audio/{i}.wav", "text": f"слово {i}", "duration": 1.0 + i}
        rows.append({**known, "domain": domain, "speaker": speaker, "cer": 0.25 if i else None, **extra})
    return write(folder, rows)


@pytest.fixture
def parts(tmp_path: Path) -> Manifest:
    """Windows of a long file, a file in a tar, a window of one, and a whole file of two channels."""
    folder = tmp_path / "parts"
    folder.mkdir()
    soundfile.write(folder / "long.wav", noise(10, 0), RATE)
    soundfile.write(folder / "stereo.wav", noise(2, 3, channels=2), RATE)
    with tarfile.open(folder / "a.tar", "w") as tar:
        for i in (1, 2):
            content = io.BytesIO()
            soundfile.write(content, noise(2, i), RATE, format="FLAC")
            member = tarfile.TarInfo(f"{i}.flac")
            member.size = len(content.getvalue())
            content.seek(0)
            tar.addfile(member, content)
    places = tar_spans(folder / "a.tar")[0].values()
    spans = [{"audio": "a.tar", "byte_offset": one.byte_offset, "byte_length": one.byte_length} for one in places]
    rows: list[dict[str, object]] = [
        {"id": "w1", "audio": "long.wav", "offset": 0.0, "duration": 2.0},
        {"id": "w2", "audio": "long.wav", "offset": 7.5, "duration": 1.25},
        {"id": "b1", **spans[0], "duration": 2.0},
        {"id": "b2", **spans[1], "offset": 0.5, "duration": 1.0},
        {"id": "s1", "audio": "stereo.wav", "duration": 2.0},
    ]
    return write(folder, [{"text": f"text of {row['id']}", **row} for row in rows])
