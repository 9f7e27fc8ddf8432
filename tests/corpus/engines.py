"""An engine that starts no processes, and corpora to work on."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile

from stt.corpus.manifest import read_manifest, write_manifest
from stt.corpus.sharding.engine import Engine

RATE = 16_000


class Threads(Engine):
    @contextmanager
    def executor(self) -> Iterator[tuple[Executor, int]]:
        with ThreadPoolExecutor(2) as executor:
            yield executor, 2


def noise(seed: int, seconds: float, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * rate)).astype(np.float32)


def corpus(folder: Path, count: int = 12, rate: int = RATE, seconds: float = 1.0) -> Path:
    """Write wav files and a manifest of them, with a column of its own and a speaker for every second row."""
    (folder / "wav").mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        soundfile.write(folder / "wav" / f"{i}.wav", noise(i, seconds, rate), rate)
        row = {"id": f"u.{i}/x", "audio": f"wav/{i}.wav", "text": f"текст {i}", "duration": seconds}
        row |= {"domain": "ab"[i % 2], "speaker": f"s{i // 2}" if i % 2 else None, "mine": i * 10}
        rows.append(row)
    write_manifest(pa.Table.from_pylist(rows), folder / "m.parquet", "plain-1")
    return folder / "m.parquet"


def plain(path: Path) -> list[dict[str, object]]:
    """The rows of a manifest without what packing changes."""
    table = read_manifest(path).table.drop_columns(["audio", "offset", "byte_offset", "byte_length"])
    return list(table.to_pylist())
