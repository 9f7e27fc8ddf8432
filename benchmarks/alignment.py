"""Alignment of recordings of hours with their texts: errors of boundaries, pieces kept and wrong, memory and speed.

Utterances of a manifest, whose times are then known, are joined into one recording, with pauses of silence or noise
between them. In a second recording a tenth of the sentences is missing from the text, a tenth from the audio, and as
many utterances of another manifest are inserted. `stt corpus align` runs on each in a process of its own.

    make fsdd && python benchmarks/alignment.py runs/fsdd/checkpoints/best.ckpt corpora/fsdd/test.parquet \
        --foreign corpora/speechocean762/dev.parquet --minutes 30 240
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from common import ROOT, write_report

import stt
from stt.corpus.manifest import Manifest, read_manifest

PAUSES = (0.1, 1.0)  # seconds between utterances, from, to
NOISE_DB = (-60.0, -35.0)  # of the pauses, relative to the loud parts of the utterance after them
EDGE_DB = -20.0  # relative to the loud parts of an utterance: where it begins and ends
LOUD = 95  # percentile of the power of an utterance
TOLERANCE = 0.2  # seconds, of boundaries
INTRUSION = 0.3  # seconds that a piece may lack of its utterances, or have of others

Waveform = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Spoken:
    """An utterance in a joined recording; `start` and `end` are those of the sound in it, seconds."""

    start: float
    end: float
    text: str  # empty: foreign speech
    written: bool  # its text is in the transcript


def main() -> None:
    """Measure a checkpoint on a manifest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--foreign", type=Path, required=True, help="manifest of speech that is not in the text")
    parser.add_argument("--minutes", type=float, nargs="+", default=[30.0, 240.0])
    parser.add_argument("--changed", type=float, nargs="+", default=[0.0, 0.1], help="share missing, and foreign")
    parser.add_argument("--options", nargs="*", default=[], help="of the command, without their dashes: min-score=-1")
    parser.add_argument("--name", default="alignment", help="of the results in the report")
    parser.add_argument("--out", type=Path, default=Path("docs/results/alignment.json"))
    args = parser.parse_args()
    results: dict[str, Any] = {}
    with TemporaryDirectory() as temporary:
        for minutes in args.minutes:
            for changed in args.changed:
                folder = Path(temporary) / f"{args.name}_{minutes:g}_{changed:g}"
                truth = make(folder, args.checkpoint, args.manifest, args.foreign, minutes, changed)
                key = f"{minutes:g} minutes" + (f", {changed:.0%} changed" if changed else "")
                results[key] = measure(folder, args.checkpoint, truth, args.options)
                print(json.dumps({key: results[key]}), flush=True)
    earlier = json.loads(args.out.read_text()) if args.out.exists() else {}
    write_report(args.out, {**earlier, args.name: {"arguments": " ".join(sys.argv[1:]), **results}})


def make(folder: Path, checkpoint: Path, source: Path, foreign: Path, minutes: float, changed: float) -> list[Spoken]:
    """Write a recording and its transcript; return what is spoken in it."""
    rate = stt.load(checkpoint).sample_rate
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    truth, lines, samples = [], [], 0
    with soundfile.SoundFile(folder / "audio.flac", "w", rate, 1) as file:
        for waveform, text, spoken, written in _utterances(source, foreign, rate, minutes, changed, rng):
            if written:
                lines.append(text)
            if not spoken:
                continue
            level = np.sqrt(np.percentile(powers(waveform, rate), LOUD)) * 10 ** (rng.uniform(*NOISE_DB) / 20)
            pause = level * rng.standard_normal(int(rng.uniform(*PAUSES) * rate))
            file.write(pause.astype(np.float32))
            first, end = (samples + len(pause) + edge for edge in sound(waveform, rate))
            truth.append(Spoken(first / rate, end / rate, text, written))
            file.write(waveform)
            samples += len(pause) + len(waveform)
    (folder / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    return truth


def _utterances(
    source: Path, foreign: Path, rate: int, minutes: float, changed: float, rng: np.random.Generator
) -> Iterator[tuple[Waveform, str, bool, bool]]:
    """Yield waveforms with their texts, whether they are spoken, and whether they are written."""
    manifest, other = read_manifest(source), read_manifest(foreign)
    rows, others = _rows(manifest, rng), _rows(other, rng)
    seconds = 0.0
    while seconds < 60 * minutes:
        row = next(rows)
        kind = rng.random()
        spoken, written = kind >= changed, not changed <= kind < 2 * changed
        waveform = manifest.waveform(row, rate)
        yield waveform, manifest.text(row), spoken, written
        seconds += spoken * (len(waveform) / rate + sum(PAUSES) / 2)
        if rng.random() < changed:
            waveform = other.waveform(next(others), rate)
            yield waveform, "", True, False
            seconds += len(waveform) / rate + sum(PAUSES) / 2


def _rows(manifest: Manifest, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(len(manifest)).tolist()


def powers(waveform: Waveform, rate: int) -> npt.NDArray[np.float64]:
    """Return the power in every 10 ms (10 ms,)."""
    hop = rate // 100
    frames = waveform[: len(waveform) // hop * hop].reshape(-1, hop)
    power: npt.NDArray[np.float64] = np.square(frames, dtype=np.float64).mean(axis=1)
    return power


def sound(waveform: Waveform, rate: int) -> tuple[int, int]:
    """Return the first and the last sample of the sound in an utterance, by its level in 10 ms."""
    power = powers(waveform, rate)
    loud = np.flatnonzero(power > np.percentile(power, LOUD) * 10 ** (EDGE_DB / 10))
    return int(loud[0]) * (rate // 100), int(loud[-1] + 1) * (rate // 100)


def measure(folder: Path, checkpoint: Path, truth: list[Spoken], options: list[str]) -> dict[str, Any]:
    """Align a recording and compare the pieces with what is spoken; speed is audio seconds per CPU second."""
    seconds = soundfile.info(folder / "audio.flac").duration
    # Without a least duration sentences stay single, so that all of their boundaries are seen.
    done = run(folder, checkpoint, ["--min-seconds=0", *(f"--{option}" for option in options)])
    return {
        "sentences": sum(one.written for one in truth),
        **pieces(done["rows"], truth),
        "boundaries_of_all": boundaries(done["rows"], truth, missed=True),
        "boundaries_of_kept": boundaries(done["rows"], truth, missed=False),
        "printed": done["printed"],
        "peak_rss_mb": done["peak_rss_mb"],
        "times_real_time": round(seconds / done["cpu_seconds"], 1),
        "wall_seconds": round(done["seconds"], 1),
    }


def run(folder: Path, checkpoint: Path, options: list[str]) -> dict[str, Any]:
    """Run the command on one core; return the rows it keeps, and what it takes."""
    out = folder / "out.parquet"
    files = [str(folder / "audio.flac"), str(folder / "text.txt")]
    command = [sys.executable, "-m", "stt", "corpus", "align", *files, "--ckpt", str(checkpoint), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    started = time.monotonic()
    process = subprocess.Popen([*command, *options], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    table = read_manifest(out).table.select(["offset", "duration", "text", "score"])
    return {
        "rows": table.to_pylist(),
        "printed": " ".join(printed.replace(str(folder), "").split()),
        "seconds": time.monotonic() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_rss_mb": round(usage.ru_maxrss / 1e3),
    }


def pieces(rows: list[dict[str, Any]], truth: list[Spoken]) -> dict[str, Any]:
    """Return the share of the sentences that are spoken and written in right pieces, and the share of wrong pieces.

    A piece is right if its text is that of all utterances of which half, or 0.3 s, are in it, and none of these is
    foreign or cut by more than 0.3 s.
    """
    ends = np.array([one.end for one in truth])
    right, covered = 0, 0
    for row in rows:
        start, end = row["offset"], row["offset"] + row["duration"]
        inside = []
        for one in truth[int(np.searchsorted(ends, start)) :]:
            if one.start >= end:
                break
            if min(one.end, end) - max(one.start, start) > min(INTRUSION, (one.end - one.start) / 2):
                inside.append(one)
        whole = all(start - INTRUSION <= one.start and one.end <= end + INTRUSION for one in inside)
        if whole and all(one.text for one in inside) and " ".join(one.text for one in inside) == row["text"]:
            right += 1
            covered += sum(one.written for one in inside)
    return {
        "pieces": len(rows),
        "kept_percent": round(100 * covered / sum(one.written for one in truth), 2),
        "wrong_percent": round(100 * (1 - right / max(1, len(rows))), 2),
    }


def boundaries(rows: list[dict[str, Any]], truth: list[Spoken], missed: bool = True) -> dict[str, Any]:
    """Return the errors of the starts and ends of the utterances that are spoken and written, seconds.

    Args:
        rows: pieces.
        truth: what is spoken.
        missed: count an utterance that no piece begins or ends with as an error without limit.
    """
    starts = np.array([row["offset"] for row in rows])
    ends = np.array([row["offset"] + row["duration"] for row in rows])
    written = [one for one in truth if one.written]
    errors = []
    for edges, wanted in ((starts, [one.start for one in written]), (ends, [one.end for one in written])):
        nearest = np.array([np.abs(edges - time).min() for time in wanted])
        errors.append(nearest)
    found = np.concatenate(errors)
    if not missed:
        found = found[found < 2 * TOLERANCE]
    return {
        "within_200_ms_percent": round(100 * float((found <= TOLERANCE).mean()), 2),
        "median_ms": round(1000 * float(np.median(found))),
        "percentile_95_ms": round(1000 * float(np.percentile(found, 95))),
    }


if __name__ == "__main__":
    main()
