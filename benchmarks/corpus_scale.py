"""Corpora of millions of rows, packed audio at random, and what is left when import and packing are killed.

    python benchmarks/corpus_scale.py --out docs/results/corpus_scale.json

Every part is measured in processes of its own, with the memory of all of them together (the sum of their resident
pages, so that pages they share count several times):

- rows: an import of a million rows, each with a real file whose header and duration are verified (a few thousand
  files, named again and again); then packing's shards, index and manifest for these rows, without their audio, which
  would take hours; and their history
- merge: `stt corpus merge` of three synthetic manifests with 16.5 million rows, and `stt corpus stats` over the three
- reading: utterances at random from tar files of Opus and from single files, interleaved
- kills: SIGKILL to import and packing at random moments until both have finished; the files must be as without
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import soundfile
from common import ROOT, write_report
from startup import make

from stt.audio.io import read_audio
from stt.audio.source import AudioSource
from stt.corpus.manifest import read_manifest, write_manifest
from stt.files import atomic_write
from stt.progress import track

PARTS = ("rows", "merge", "reading", "kills")
SPEECH = Path("corpora/speechocean762/dev.parquet")


def main() -> None:
    """Measure the parts that were asked for; those of an earlier report stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--out", type=Path, default=Path("docs/results/corpus_scale.json"))
    parser.add_argument("--folder", type=Path, default=Path("corpora/scale"), help="for files of some gigabytes")
    parser.add_argument("--speech", type=Path, default=SPEECH, help="manifest of real speech")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--merged", type=int, default=16_500_000, help="rows of all merged manifests together")
    parser.add_argument("--kills", type=int, default=20)
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(unknown)}")
    results = json.loads(args.out.read_text()) if args.out.exists() else {}
    results = {part: results[part] for part in PARTS if part in results}
    os.environ["XDG_CACHE_HOME"] = str((args.folder / "cache").resolve())
    for part in args.parts:
        folder = args.folder / part
        folder.mkdir(parents=True, exist_ok=True)
        results[part] = globals()[part](folder, args)
        print(json.dumps({part: results[part]}), flush=True)
        write_report(args.out, results)


def rows(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Import rows, pack them without their audio, and print the history."""
    table = write_table(folder, args.speech, args.rows)
    out, report = folder / "imported.parquet", {"rows": args.rows}
    out.unlink(missing_ok=True)
    command = ("corpus", "import", "table", str(table), "--out", str(out))
    measured: dict[str, Any] = {**report, "import": measure("-m", "stt", *command, "--workers", "2")}
    (folder / "indexed.parquet").unlink(missing_ok=True)
    names = (str(out), str(folder / "indexed.parquet"))
    measured["index"] = measure(str(ROOT / "benchmarks" / "packed_index.py"), *names, cache=folder / "cache")
    measured["history"] = measure("-m", "stt", "corpus", "history", str(folder / "indexed.parquet"))
    assert len(read_manifest(folder / "indexed.parquet")) == args.rows
    return measured


def write_table(folder: Path, speech: Path, count: int) -> Path:
    """Write real speech to WAV files and a table of rows that name them in turn."""
    manifest = read_manifest(speech)
    paths = []
    for row in track(range(len(manifest)), "writing audio"):
        paths.append(folder / f"{row}.wav")
        if not paths[-1].exists():
            with atomic_write(paths[-1]) as temporary:
                soundfile.write(temporary, manifest.waveform(row, 16_000), 16_000)
    chosen = np.arange(count) % len(manifest)
    table = pa.table(
        {
            "audio": pa.array([path.name for path in paths]).take(pa.array(chosen)),
            "text": manifest.table["text"].take(pa.array(chosen)),
            "domain": manifest.table["domain"].cast(pa.string()).take(pa.array(chosen)),
            "id": [f"{i:08d}" for i in range(count)],
            "speaker": [f"speaker {i % 20_000}" for i in range(count)],
            "duration": manifest.table["duration"].take(pa.array(chosen)),
        }
    )
    with atomic_write(folder / "table.parquet") as temporary:
        pyarrow.parquet.write_table(table, temporary)
    return folder / "table.parquet"


def merge(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Merge three manifests, and print the statistics of the three."""
    parts = [folder / f"{number}.parquet" for number in range(3)]
    if not parts[-1].exists():
        make(folder, args.merged // 3)
        manifest = read_manifest(folder / "corpus.parquet")
        for number, path in enumerate(parts):
            prefix = pa.scalar(f"{number}/", pa.large_string())
            ids = pc.binary_join_element_wise(prefix, manifest.table["id"], pa.scalar("", pa.large_string()))
            column = manifest.table.column_names.index("id")
            write_manifest(manifest.table.set_column(column, "id", ids), path, "plain-1")
        (folder / "corpus.parquet").unlink()
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    names = [str(path) for path in parts]
    out = folder / "merged.parquet"
    stats = ("-m", "stt", "corpus", "stats", *names)
    measured: dict[str, Any] = {
        "rows": 3 * (args.merged // 3),
        "megabytes": sum(p.stat().st_size for p in parts) // 10**6,
    }
    measured["stats, first time"] = measure(*stats, cache=cache)
    measured["stats"] = measure(*stats, cache=cache)
    measured["merge"] = measure("-m", "stt", "corpus", "merge", *names, "--out", str(out), cache=cache)
    measured["merged rows"] = int(pyarrow.parquet.read_metadata(out).num_rows)
    measured["history"] = measure("-m", "stt", "corpus", "history", str(out), cache=cache)
    return measured


def reading(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Read the same Opus from single files and from tar files, at random, in turn, with and without the page cache."""
    packed = folder / "packed"
    if not packed.exists():
        stt("corpus", "pack", str(args.speech), "--out", str(packed), "--workers", "2")
    manifest = read_manifest(packed / args.speech.name)
    pairs = []
    for row in range(len(manifest)):
        source = manifest.audio(row)
        single = folder / "single" / f"{row:05d}.opus"
        single.parent.mkdir(exist_ok=True)
        opened = source.open()
        assert not isinstance(opened, str)
        single.write_bytes(opened.getvalue())
        pairs.append((AudioSource(str(single)), source))
    chosen = random.Random(0).sample(pairs, min(500, len(pairs)))
    measured: dict[str, Any] = {"utterances": len(chosen), "seconds of audio": 0.0}
    for cold in (False, True):
        seconds = {"single files": [0.0, 0.0], "packed": [0.0, 0.0]}
        for number, pair in enumerate(track(chosen, "reading")):
            order = zip(seconds, pair, strict=True) if number % 2 else reversed(list(zip(seconds, pair, strict=True)))
            for name, source in order:
                if cold:
                    drop(source)
                begin, cpu = time.perf_counter(), time.process_time()
                waveform = read_audio(source, 16_000)
                seconds[name][0] += time.perf_counter() - begin
                seconds[name][1] += time.process_time() - cpu
            measured["seconds of audio"] += len(waveform) / 16_000 / 2
        for name, (wall, cpu) in seconds.items():
            milliseconds = {"wall": round(1e3 * wall / len(chosen), 3), "cpu": round(1e3 * cpu / len(chosen), 3)}
            measured[f"{name}, {'cold' if cold else 'warm'}, ms per utterance"] = milliseconds
    return measured


def drop(source: AudioSource) -> None:
    """Ask the system to forget the pages of a file."""
    handle = os.open(source.address, os.O_RDONLY)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def kills(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Kill import and packing at random moments, and compare what they leave with what they leave undisturbed."""
    rng = random.Random(0)
    table = write_table(folder, args.speech, 4_000)
    report: dict[str, Any] = {}
    same = True
    whole, parts = folder / "whole", folder / "parts"
    for each in (whole, parts):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir()
    importing = ("corpus", "import", "table", str(table), "--workers", "2", "--hold-out", "0.1", "--out")
    packing = (
        "corpus",
        "pack",
        str(whole / "m.test.parquet"),
        "--codec",
        "flac",
        "--shard-mb",
        "1",
        "--workers",
        "2",
        "--out",
    )
    for name, command, result in (("import", importing, "m.parquet"), ("pack", packing, "packed")):
        begin = time.monotonic()
        assert not stt(*command, str(whole / result))
        seconds = time.monotonic() - begin
        counts = {"kills": 0, "finished": 0}
        while counts["kills"] < (args.kills + (name == "import")) // 2:
            process = start(*command, str(parts / result))
            time.sleep(rng.uniform(0, 0.9 * seconds))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                counts["kills"] += 1
            elif result == "packed":  # sooner than it was killed often enough: once more from the beginning
                counts["finished"] += 1
                same &= contents(whole / result) == contents(parts / result)
                shutil.rmtree(parts / result)
            process.wait()
        assert not stt(*command, str(parts / result))
        report[name] = {**counts, "seconds": round(seconds, 1)}
    undisturbed = contents(whole)
    report["files"] = len(undisturbed)
    report["same files and bytes"] = same and contents(parts) == undisturbed
    return report


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stt(*arguments: str) -> int:
    """Run a command."""
    return start(*arguments).wait()


def start(*arguments: str, cache: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a command; what it writes is the same whenever that is."""
    return python("-m", "stt", *arguments, cache=cache)


def python(*arguments: str, cache: Path | None = None) -> subprocess.Popen[bytes]:
    """Start Python in the checkout."""
    path = f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}"
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "SOURCE_DATE_EPOCH": "0"}
    environment |= {"XDG_CACHE_HOME": str(cache.resolve())} if cache else {}
    null = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=null, stderr=null)


def measure(*arguments: str, cache: Path | None = None) -> dict[str, float]:
    """Run Python and return its seconds, CPU seconds and peak memory, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin, peak = time.monotonic(), 0
    process = python(*arguments, cache=cache)
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.monotonic() - begin, 1), "cpu_seconds": round(cpu, 1), "peak_mb": peak // 10**6}


def memory(process: int) -> int:
    """Return the resident bytes of a process and its children."""
    parents: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended in the meantime
            continue
        parents.setdefault(int(fields[1]), []).append(int(folder.name))
        pages[int(folder.name)] = int(fields[21])
    family = [process]
    for one in family:
        family += parents.get(one, [])
    return sum(pages.get(one, 0) for one in family) * resource.getpagesize()


if __name__ == "__main__":
    main()
