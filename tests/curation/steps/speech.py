"""Utterances of bursts and pauses, and corpora of them, of which a part is spoiled."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile

from stt.corpus.manifest import write_manifest

RATE = 8_000


def bursts(seed: int, seconds: float = 2.0, amplitude: float = 0.3, snr_db: float = 30.0) -> np.ndarray:
    """Return bursts of sound between pauses, half of the time each, in noise."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    gate = (np.arange(count) // (RATE // 4) + seed) % 2
    sound = amplitude * np.sin(2 * np.pi * rng.uniform(200, 600) / RATE * np.arange(count)) * gate
    return (sound + amplitude * 10 ** (-snr_db / 20) * rng.standard_normal(count)).astype(np.float32)


def write(folder: Path, rows: list[dict[str, Any]], name: str = "m") -> Path:
    """Write WAV files and a manifest; a row may give a `waveform`, and all that it does not give is as usual."""
    (folder / "wav").mkdir(parents=True, exist_ok=True)
    table = []
    for i, row in enumerate(rows):
        waveform = row.get("waveform", bursts(i))
        audio = row.get("audio", f"wav/{name}{i}.wav")
        if not (folder / audio).exists():
            soundfile.write(folder / audio, waveform, RATE, "FLOAT")
        usual = {"id": f"{name}/{i}", "audio": audio, "text": f"слово номер {chr(1072 + i % 32)}", "mine": i}
        usual |= {"duration": len(waveform) / RATE, "domain": "ab"[i % 2], "speaker": None}
        table.append(usual | {key: value for key, value in row.items() if key != "waveform"})
    write_manifest(pa.Table.from_pylist(table), folder / f"{name}.parquet", "plain-1")
    return folder / f"{name}.parquet"
