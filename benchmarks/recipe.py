"""Trains variants of the recipe on read sentences, one after the other on one core, and records CER over core time.

    make speechocean762-corpus
    python benchmarks/recipe.py uniform adamw constant_0.3 --steps 4000 --seeds 1 2 --out docs/results/recipe.json

Finished runs are not repeated, and results are added to those in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
from pathlib import Path
from typing import Any

from common import ROOT, call, write_report

from stt.progress import track
from stt.reports.run import find_run

CONFIGS = ["configs/model/tiny.yaml", "configs/data/speechocean762.yaml"]
ADAMW = "--model.optimizer=torch.optim.AdamW"
UNIFORM = "--data.sampler=UniformSampler"
CONSTANT = "--data.sampler.rising_strength=false"
VARIANTS = {
    "uniform": [],
    "adamw": [ADAMW, "--model.optimizer.lr=0.001"],
    "adamw_lr_0.002": [ADAMW, "--model.optimizer.lr=0.002"],
    "sgd": ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.05", "--model.optimizer.momentum=0.9"],
    "muon_lr_0.002": ["--model.optimizer.lr=0.002", "--model.optimizer.adamw_lr=0.001"],
    "muon_lr_0.008": ["--model.optimizer.lr=0.008", "--model.optimizer.adamw_lr=0.003"],
    "strength_0": ["--model.augment.strength=0"],
}
for STRENGTH in ("0.2", "0.3", "0.5", "0.9"):
    VARIANTS[f"constant_{STRENGTH}"] = [CONSTANT, f"--model.augment.strength={STRENGTH}"]
    VARIANTS[f"rising_{STRENGTH}"] = [f"--model.augment.strength={STRENGTH}"]
VARIANTS = {name: [UNIFORM, *options] for name, options in VARIANTS.items()} | {"curriculum": []}


def main() -> None:
    """Train the variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="+", choices=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--validations", type=int, default=2)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--work", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/recipe.json"))
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="further options for train.py")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    known = json.loads(args.out.read_text())["runs"] if args.out.exists() else []
    wanted = [(variant, seed) for seed in args.seeds for variant in args.variants]
    for variant, seed in track(wanted, "training"):
        name = f"{variant}-{args.steps}-{seed}"
        if all(row["name"] != name for row in known):
            options = [f"--trainer.max_steps={args.steps}", f"--seed_everything={seed}", *args.options]
            options.append(f"--data.batches_per_epoch={args.steps // args.validations}")
            known.append({"name": name, **train(args.work / name, [*VARIANTS[variant], *options])})
            write_report(args.out, {"runs": known})


def train(run: Path, options: list[str]) -> dict[str, Any]:
    """Train on one core; return core seconds of everything, and error rates by step in percent."""
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    before = core_seconds()
    configs = [f"--config={ROOT / config}" for config in CONFIGS]
    call(str(ROOT / "train.py"), "fit", *configs, f"--run={run}", *options, output=run / "output.txt")
    curves = find_run(run).metrics()
    rates = {
        metric: {str(int(step) + 1): round(100 * rate, 1) for step, rate in curves[f"val/{metric}/mean"]}
        for metric in ("cer", "wer")
    }
    return {"options": options, "core_seconds": round(core_seconds() - before), **rates}


def core_seconds() -> float:
    """Return the core time of all processes that have been started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
