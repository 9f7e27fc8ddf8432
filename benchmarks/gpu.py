"""GPU measurements: speed of `small`, the ablation study, and the curriculum, on read sentences.

    make gpu-bundle DATA=../shared/data        # with network: corpora/gpu
    python3 benchmarks/gpu.py --data corpora/gpu --seconds-per-command 420

The second command needs no network, and Python 3.12 with torch, torchaudio, torchmetrics and lightning. Repeat it until
nothing is left: it does the next pieces, and interrupts and resumes training. Other options are passed to
`train.py fit` for every training. The runs in `--work` must be kept from one command to the next.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

from gpu_packages import ROOT, provide_packages

from stt.errors import InputError, exit_with

GRACE = 45.0  # seconds for a validation and a checkpoint, when a command's time is up
MODEL = ROOT / "configs" / "model" / "small.yaml"
VARIANTS = ROOT / "configs" / "ablation" / "variants.yaml"


def main(args: Sequence[str] | None = None) -> None:
    """Do the next pieces, and write the report after each."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    out = Path(os.environ.get("OUT") or "docs/results") / "gpu.json"
    parser.add_argument("--data", type=Path, default=Path("corpora/gpu"), help="folder that make gpu-bundle wrote")
    parser.add_argument("--work", type=Path, default=Path("runs/gpu"), help="folder for the runs")
    parser.add_argument("--out", type=Path, default=out, help="report; $OUT/gpu.json if OUT is set")
    parser.add_argument(
        "--parts", nargs="+", choices=["speed", "ablation", "curriculum"], default=["speed", "ablation"]
    )
    parser.add_argument("--seconds", type=float, help="budget of each training (default: 600)")
    parser.add_argument("--steps", type=int, help="budget of each training in steps")
    parser.add_argument("--points", type=int, default=16, help="validations of each training")
    parser.add_argument("--variant", action="append", default=[], help="variant of the ablation; repeatable")
    parser.add_argument("--variants", type=Path, default=VARIANTS, help="list of variants")
    parser.add_argument("--model", type=Path, default=MODEL, help="configuration for speed and curriculum")
    parser.add_argument("--seconds-per-command", type=float, default=math.inf, help="time after which to stop")
    known, options = parser.parse_known_args(args)
    try:
        provide_packages(known.data)
        _work(known, options, started)
    except InputError as error:
        exit_with(error)


def _work(known: argparse.Namespace, options: list[str], started: float) -> None:
    # Only now, because they import what has just been installed.
    from ablation import Budget, read_variants
    from common import write_report
    from gpu_pieces import do, prepared

    from stt.training.subprocesses import Deadline

    os.environ.setdefault("WANDB_MODE", "disabled")
    seconds = 600.0 if known.seconds is None and known.steps is None else known.seconds
    budget = Budget(known.steps, seconds, known.points)
    names = [one.name for one in read_variants(known.variants, known.variant)]
    work = prepared(known.data, known.work, known.model, read_variants(known.variants), budget, options)
    limit = known.seconds_per_command
    pieces = work.pieces(known.parts, names)
    for piece in do(pieces, Deadline(started + limit, min(GRACE, limit / 4))):
        print(f"done: {piece.part}/{piece.name}", flush=True)
        write_report(known.out, work.results())
    results = work.results()
    if results:
        write_report(known.out, results)
    for name, reason in results.get("failed", {}).items():
        print(f"failed: {name}: {reason} (to try again, delete {known.work / name / 'result.json'})")
    left = [f"{piece.part}/{piece.name}" for piece in pieces if not piece.result.exists()]
    print(f"left: {', '.join(left)}" if left else f"nothing is left; results: {known.out}")


if __name__ == "__main__":
    main()
