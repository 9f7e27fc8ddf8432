"""Interrupts trainings at random moments until each has finished, and compares them with one that was left alone.

    make fsdd-corpus && python benchmarks/kill.py --interruptions 100 --out docs/results/kill.json

Every combination of data workers, ranks and file system is trained once without and once with interruptions: SIGKILL
to a random rank, SIGTERM to the process that was started, or a disk that is full (files may not grow beyond half of a
checkpoint). After each, the same command is started again (`--ckpt_path last`). At the end weights, optimizer, sampler
and metrics must be the same, and no step may be logged twice.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import ROOT, output_of, write_report

from stt.progress import track

STEPS, EPOCH, EVERY = 160, 20, 7  # optimizer steps: of a training, an epoch, between checkpoints
KINDS = ("SIGKILL", "SIGTERM", "full disk")
LIMIT_SECONDS = 300  # after which a process counts as hanging


def main() -> None:
    """Run all combinations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/kill"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/kill.json"))
    parser.add_argument("--interruptions", type=int, default=100, help="of all combinations together")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    combinations = list(itertools.product((0, 2), (1, 2), ("disk", "tmpfs")))
    rows = []
    for number, (workers, ranks, folder) in enumerate(track(combinations, "interrupting")):
        before, after = (args.interruptions * n // len(combinations) for n in (number, number + 1))
        base = Path(tempfile.mkdtemp(dir="/dev/shm")) if folder == "tmpfs" else args.work / f"{workers}-{ranks}"
        try:
            found = compare(base, workers, ranks, after - before, rng)
        finally:
            shutil.rmtree(base, ignore_errors=True)
        rows.append({"workers": workers, "ranks": ranks, "folder": folder, **found})
        write_report(args.out, {"steps": STEPS, "combinations": rows})
    sys.exit(any(row["hangs"] or not row["same"] for row in rows))


def compare(base: Path, workers: int, ranks: int, interruptions: int, rng: random.Random) -> dict[str, Any]:
    """Train with and without interruptions in a folder, and compare."""
    whole, parts = base / "whole", base / "parts"
    shutil.rmtree(base, ignore_errors=True)
    options = [f"--data.num_workers={workers}", f"--trainer.devices={ranks}"]
    options += [f"--trainer.strategy={'ddp' if ranks > 1 else 'auto'}"]
    started = time.monotonic()
    code = start(whole, options).wait()
    seconds = time.monotonic() - started
    assert code == 0, (whole / "output.txt").read_text()
    checkpoint = (whole / "checkpoints" / "last.ckpt").stat().st_size
    codes: Counter[str] = Counter()
    hangs = 0
    for i in range(interruptions):
        if finished(parts):  # sooner than it was interrupted often enough: once more from the beginning
            codes["finished"] += 1
            check(whole, parts)
            shutil.rmtree(parts)
        kind = KINDS[i % len(KINDS)]
        process = start(parts, options, checkpoint // 2 if kind == "full disk" else None)
        if kind != "full disk":
            time.sleep(rng.uniform(0.2, 1) * seconds)
            interrupt(process, kind, rng)
        try:
            codes[f"{kind}: {process.wait(LIMIT_SECONDS)}"] += 1
            wait_for_ranks(parts)
        except subprocess.TimeoutExpired:
            hangs += 1
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    while not finished(parts):
        codes[f"last: {start(parts, options).wait(LIMIT_SECONDS)}"] += 1
    found = check(whole, parts)
    return {"interruptions": interruptions, "exit_codes": dict(sorted(codes.items())), "hangs": hangs, **found}


def start(run: Path, options: list[str], file_size: int | None = None) -> subprocess.Popen[bytes]:
    """Start or resume a training in a process group of its own; files cannot grow beyond `file_size` bytes."""
    run.mkdir(parents=True, exist_ok=True)
    data = [f"--data.{split}={ROOT}/corpora/fsdd/{split}.parquet" for split in ("train", "validate")]
    fixed = [f"--config={ROOT}/tests/micro.yaml", f"--model.tokenizer={ROOT}/corpora/fsdd/tokenizer.model", *data]
    fixed += ["--data.sampler=stt.sampling.CurriculumSampler", "--data.max_batch_seconds=8"]
    fixed += ["--model.augment.init_args.strength=0.5", f"--trainer.max_steps={STEPS}", "--trainer.limit_val_batches=4"]
    fixed += [f"--data.batches_per_epoch={EPOCH}", f"--last_checkpoint.every_n_train_steps={EVERY}"]
    command = [sys.executable, "train.py", "fit", *fixed, f"--run={run}", "--ckpt_path=last", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    with (run / "output.txt").open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=None if file_size is None else limit_files(file_size),  # no threads here that it could deadlock
        )


def limit_files(size: int) -> Callable[[], None]:
    """Return a function that makes writes beyond `size` bytes of a file fail, as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def interrupt(process: subprocess.Popen[bytes], kind: str, rng: random.Random) -> None:
    """Signal a random rank (SIGKILL), or the process that was started (SIGTERM), if it still runs."""
    if process.poll() is not None:
        return
    ranks = [process.pid, *children(process.pid)] if kind == "SIGKILL" else [process.pid]
    with contextlib.suppress(ProcessLookupError):  # it has ended in the meantime
        os.kill(rng.choice(ranks), signal.SIGKILL if kind == "SIGKILL" else signal.SIGTERM)


def children(parent: int) -> list[int]:
    """Return the ranks that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and b"train.py" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended in the meantime
            continue
    return found


def wait_for_ranks(run: Path) -> None:
    """Wait until no process of a run is left.

    Raises:
        subprocess.TimeoutExpired: one is still there after half a minute.
    """
    deadline = time.monotonic() + 30
    while any(str(run).encode() in command for command in commands()):
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired("a rank", 30)
        time.sleep(0.2)


def commands() -> list[bytes]:
    """Return the command lines of all processes but this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            found.append((folder / "cmdline").read_bytes())
        except OSError:
            continue
    return found


def finished(run: Path) -> bool:
    """Return whether a run has made all its steps."""
    last = run / "checkpoints" / "last.ckpt"
    return last.exists() and torch.load(last, weights_only=True)["global_step"] == STEPS


def check(whole: Path, parts: Path) -> dict[str, Any]:
    """Compare two finished runs."""
    states = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, parts)]
    parts_of = ("state_dict", "optimizer_states", "lr_schedulers")
    same = all(equal(states[0][name], states[1][name]) for name in parts_of)
    streams = [state["SpeechDataModule"]["stream"] for state in states]
    same_ledger = equal(streams[0]["sampler"], streams[1]["sampler"])
    losses = [logged(run) for run in (whole, parts)]
    steps = [step for step, _ in losses[1]]
    wrong = sum(dict(losses[0]).get(step) != loss for step, loss in losses[1])
    output_of("-m", "stt", "report", str(parts), f"--out={parts / 'report.html'}")
    return {
        "same": same and same_ledger and not wrong and len(steps) == len(set(steps)),
        "same_weights": same,
        "same_ledger": same_ledger,
        "steps_logged_twice": len(steps) - len(set(steps)),
        "steps_not_logged": STEPS - len(set(steps)),
        "losses_that_differ": wrong,
    }


def logged(run: Path) -> list[tuple[int, str]]:
    """Return steps and losses of all logs of a run."""
    found = []
    for log in sorted((run / "logs").glob("version_*/metrics.csv")):
        with log.open(newline="") as file:
            found += [(int(row["step"]), row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")]
    return found


def equal(a: Any, b: Any) -> bool:
    """Compare nested values, tensors by their bits."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(torch.nan_to_num(a, 7.25), torch.nan_to_num(b, 7.25))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


if __name__ == "__main__":
    main()
