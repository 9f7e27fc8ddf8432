"""Cleaning a corpus: which label errors it finds, its estimates of the SNR, its speed, and what is left if killed.

    python benchmarks/cleaning.py --data ../shared/data --out docs/results/cleaning.json

- speed: hours of audio per hour of a core without a recognizer, start included, of real speech as Opus (16 kHz) and
  as WAV files, whose rows are repeated until there is enough; and with the recognizer of the next part, of digits
- labels: spoken digits in noise with 10 % label errors, and a network trained on that corpus (`noisy_digits.py`): how
  many of the rejected labels are wrong, and how many of the wrong ones are rejected
- snr: estimates for digits at known SNRs
- kills: SIGKILL at random moments until it has finished; the files must be as without
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import noisy_digits
import numpy as np
import pyarrow as pa
import soundfile
from common import call, write_report
from corpus_scale import contents, measure, start, stt

from stt.corpus.manifest import Manifest, read_manifest, write_manifest
from stt.corpus.rejection import rejected_path
from stt.curation.clean.sound import MeasuredManifest

PARTS = ("labels", "snr", "speed", "kills")


def main() -> None:
    """Measure the parts that were asked for; those of an earlier report stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of fsdd and speechocean762")
    parser.add_argument("--work", type=Path, default=Path("runs/cleaning"), help="folder for corpora and runs")
    parser.add_argument("--out", type=Path, default=Path("docs/results/cleaning.json"))
    parser.add_argument("--labels", nargs="+", default=["shuffled_10", "truncated_10"], choices=noisy_digits.LABELS)
    parser.add_argument("--steps", type=int, default=500, help="of a training")
    parser.add_argument("--hours", type=float, default=20.0, help="of audio whose cleaning is timed")
    parser.add_argument("--kills", type=int, default=10)
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(unknown)}")
    os.environ["OMP_NUM_THREADS"] = "1"
    results = json.loads(args.out.read_text()) if args.out.exists() else {}
    results = {part: results[part] for part in PARTS if part in results}
    for part in args.parts:
        results[part] = globals()[part](args)
        print(json.dumps({part: results[part]}), flush=True)
        write_report(args.out, results)


def labels(args: argparse.Namespace) -> dict[str, Any]:
    """Train on label errors, and compare the rejected labels with the wrong ones."""
    found: dict[str, Any] = {"steps": args.steps}
    for kind in args.labels:
        corpus, run = trained(args, kind)
        wrong = np.load(corpus / "wrong.npy")
        by_ckpt = ("--ckpt", str(run / "checkpoints" / "last.ckpt"))
        for name, options in (("ckpt", by_ckpt), ("run", ("--run", str(run)))):
            rule = "label_error" if name == "ckpt" else "run"
            flagged = rejected_by(corpus / "train.parquet", args.work / "out", rule, options)
            found[f"{kind} --{name}"] = noisy_digits.detection(flagged, wrong)
    return found


def trained(args: argparse.Namespace, kind: str) -> tuple[Path, Path]:
    """Return a corpus with label errors and the run of a network that was trained on it."""
    corpus, run = noisy_digits.make_corpus(args.data, args.work / "corpora", kind), args.work / kind
    options = ["--data.batches_per_epoch=100", "--seed_everything=0", "--data.seed=0"]
    noisy_digits.train(run, corpus, corpus / "train.parquet", "CurriculumSampler", args.steps, options)
    return corpus, run


def rejected_by(manifest: Path, folder: Path, rule: str, options: tuple[str, ...]) -> Any:
    """Clean a manifest, and return which of its rows (row,) are rejected by a rule, whatever others reject."""
    shutil.rmtree(folder, ignore_errors=True)
    out = folder / "kept.parquet"
    call("-m", "stt", "corpus", "clean", str(manifest), "--out", str(out), "--workers", "1", *options)
    rows = read_manifest(rejected_path(out)).table
    ids = {row["id"] for row in rows.select(["id", "rule"]).to_pylist() if row["rule"] == rule}
    return np.array([one in ids for one in read_manifest(manifest).table["id"].to_pylist()])


def snr(args: argparse.Namespace) -> dict[str, Any]:
    """Return quantiles of the estimates for digits, by their SNR."""
    corpus = noisy_digits.make_corpus(args.data, args.work / "corpora", args.labels[0])
    manifest = MeasuredManifest.of(read_manifest(corpus / "test.parquet"))
    found = {}
    for domain, rows in zip(manifest.domains, manifest.rows_by_domain(), strict=True):
        for row in rows.tolist():
            manifest.measure(row)
        estimates = np.quantile([manifest.sounds[row].snr for row in rows.tolist()], [0, 0.05, 0.5, 0.95, 1])
        found[domain] = dict(zip(("least", "5 %", "median", "95 %", "most"), estimates.round(1).tolist(), strict=True))
    return found


def speed(args: argparse.Namespace) -> dict[str, Any]:
    """Time cleaning of real speech without a recognizer, and of digits with one."""
    folder = args.work / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    speech = folder / "speech.parquet"
    if not speech.exists():
        source = args.data / "speechocean762" / "train"
        stt("corpus", "import", "kaldi", str(source), "--out", str(speech), "--domain", "{age_group}_{gender}")
    manifest = read_manifest(speech)
    found = {"opus": timed(repeated(manifest, folder / "opus.parquet", args.hours), folder)}
    wav = folder / "wav.parquet"
    if not wav.exists():
        write_manifest(as_wav(manifest, folder / "wav"), wav, manifest.normalizer)
    found["wav"] = timed(repeated(read_manifest(wav), folder / "wavs.parquet", args.hours), folder)
    corpus, run = trained(args, args.labels[0])
    ckpt = ("--ckpt", str(run / "checkpoints" / "last.ckpt"))
    found["digits with a recognizer"] = timed(corpus / "train.parquet", folder, ckpt)
    return found


def timed(manifest: Path, folder: Path, options: tuple[str, ...] = ()) -> dict[str, float]:
    """Clean a manifest in one process, and return the hours of audio per hour of a core and the peak memory."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    hours = float(read_manifest(manifest).durations.sum(dtype=np.float64)) / 3600
    off = ("--off", "same_audio", "--workers", "1")
    measured = measure(
        "-m", "stt", "corpus", "clean", str(manifest), "--out", str(out / "kept.parquet"), *off, *options
    )
    per_core = round(3600 * hours / measured["cpu_seconds"])
    return {"hours": round(hours, 2), "audio_hours_per_core_hour": per_core, **measured}


def repeated(manifest: Manifest, out: Path, hours: float) -> Path:
    """Write a manifest with the same rows again and again, under other ids."""
    times = max(1, round(3600 * hours / float(manifest.durations.sum(dtype=np.float64))))
    table = pa.concat_tables([manifest.table] * times)
    ids = pa.array([f"{i:08d}" for i in range(len(table))], pa.large_string())
    table = table.set_column(table.column_names.index("id"), "id", ids)
    write_manifest(table, out, manifest.normalizer)
    return out


def as_wav(manifest: Manifest, folder: Path) -> pa.Table:
    """Write the audio of a manifest to WAV files of 16 bits; return its table with them."""
    folder.mkdir(exist_ok=True)
    names = [f"{folder.name}/{row}.wav" for row in range(len(manifest))]
    for row, name in enumerate(names):
        soundfile.write(folder.parent / name, manifest.waveform(row, 16_000), 16_000)
    audio = pa.array(names, pa.large_string())
    return manifest.table.set_column(manifest.table.column_names.index("audio"), "audio", audio)


def kills(args: argparse.Namespace) -> dict[str, Any]:
    """Kill cleaning at random moments, and compare what it leaves with what it leaves undisturbed."""
    rng = random.Random(0)
    folder = args.work / "kills"
    corpus = noisy_digits.make_corpus(args.data, args.work / "corpora", args.labels[0])
    manifest = repeated(read_manifest(corpus / "train.parquet"), corpus / "repeated.parquet", 20)
    whole, parts = folder / "whole", folder / "parts"
    for each in (whole, parts):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True)
    command = ("corpus", "clean", str(manifest), "--workers", "2", "--max-same-audio", "3", "--out")
    begin = time.monotonic()
    assert not stt(*command, str(whole / "kept.parquet"))
    seconds = time.monotonic() - begin
    counts = {"kills": 0, "finished": 0}
    same = True
    while counts["kills"] < args.kills:
        process = start(*command, str(parts / "kept.parquet"))
        time.sleep(rng.uniform(0, 0.9 * seconds))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            counts["kills"] += 1
        else:  # sooner than it was killed often enough: once more from the beginning
            counts["finished"] += 1
            same &= contents(whole) == contents(parts)
            shutil.rmtree(parts)
            parts.mkdir()
        process.wait()
    assert not stt(*command, str(parts / "kept.parquet"))
    undisturbed = contents(whole)
    files = sorted(undisturbed)
    return {
        **counts,
        "seconds": round(seconds, 1),
        "files": files,
        "same bytes": same and contents(parts) == undisturbed,
    }


if __name__ == "__main__":
    main()
