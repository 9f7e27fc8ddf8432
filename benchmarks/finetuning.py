"""Fine-tuning on real digits: a new speaker with and without replay, and initialization from another language.

`speaker`: train on four speakers, then fine-tune on a fifth with configs/presets/finetune.yaml.
`language`: train on digits from the weights of the demo's Russian network and from scratch, with twice the steps;
compares the steps to the same CER.

    make demo && make fsdd && python benchmarks/finetuning.py --out docs/results/finetuning.json
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common import ROOT, call, fit, select, write_report

from stt.progress import track
from stt.reports.run import Run

OLD, NEW = ("george", "jackson", "lucas", "theo"), "nicolas"
LEVELS = (0.5, 0.3, 0.2, 0.1, 0.05)  # CERs to count steps to
FINETUNE = f"--config={ROOT}/configs/presets/finetune.yaml"


def main() -> None:
    """Run the experiments and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("corpora/fsdd"), help="corpus imported by make fsdd")
    parser.add_argument(
        "--demo", type=Path, default=Path("runs/demo/checkpoints/best.ckpt"), help="checkpoint trained by make demo"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/finetuning"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/finetuning.json"))
    parser.add_argument("--parts", nargs="+", choices=["speaker", "language"], default=["speaker", "language"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="parallel training runs, which share the cores")
    args = parser.parse_args()
    # Beside other work one thread each is faster than two.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // args.jobs)))
    experiments = {"speaker": speaker, "language": language}
    results: dict[str, Any] = json.loads(args.out.read_text()) if args.out.exists() else {}
    with ThreadPoolExecutor(args.jobs) as pool:
        for part in args.parts:
            runs = pool.map(lambda seed, part=part: experiments[part](args, seed), args.seeds)
            results[part] = list(track(runs, part, len(args.seeds)))
            print(json.dumps(results[part], indent=1))
    write_report(args.out, results)


def speaker(args: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train on four speakers, then a fifth with and without replay; returns test CERs of best and last checkpoints."""
    manifests = {
        f"{name}.{split}": str(
            select(args.corpus / f"{split}.parquet", args.corpus / f"{name}.{split}.parquet", domains)
        )
        for name, domains in {"four": OLD, "fifth": (NEW,), "five": (*OLD, NEW)}.items()
        for split in ("train", "validate", "test")
    }
    common = [f"--seed_everything={seed}", f"--data.seed={seed}", f"--model.tokenizer={args.corpus}/tokenizer.model"]
    common += ["--data.batches_per_epoch=50", f"--data.test={manifests['five.test']}"]
    parent = args.work / f"speaker.parent.{seed}"
    four = [f"--data.train={manifests['four.train']}", f"--data.validate={manifests['four.validate']}"]
    fit(parent, *common, *four, "--trainer.max_steps=1000")
    best = parent / "checkpoints" / "best.ckpt"
    tuned = [
        FINETUNE,
        f"--model.init_from={best}",
        "--trainer.max_steps=400",
        "--model.lr_scheduler.warmup_steps=40",
    ]
    tuned += [f"--data.train={manifests['fifth.train']}", f"--data.validate={manifests['five.validate']}"]
    results: dict[str, Any] = {"seed": seed, "parent": test_cers(parent)}
    replay = [f"--data.replay={manifests['four.train']}"]
    for name, options in {"replay": replay, "alone": ["--data.replay_share=null"]}.items():
        run = args.work / f"speaker.{name}.{seed}"
        fit(run, *common, *tuned, *options)
        # Also test the last checkpoint: the best is selected for low forgetting.
        call(
            str(ROOT / "train.py"), "test", f"--ckpt_path={run}/checkpoints/last.ckpt", f"--run={run}/last", common[-1]
        )
        results[name] = {"best": test_cers(run), "last": test_cers(run / "last")}
    return results


def language(args: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train on digits from the Russian network and from scratch; returns the first step that reaches each CER."""
    common = [f"--seed_everything={seed}", f"--data.seed={seed}", f"--model.tokenizer={args.corpus}/tokenizer.model"]
    common += [f"--data.{split}={args.corpus}/{split}.parquet" for split in ("train", "validate")]
    # Both use the demo's sample rate of 16 kHz and its learning rate.
    common += ["--model.features.init_args.sample_rate=16000", "--model.optimizer.init_args.lr=2e-3"]
    common += ["--data.batches_per_epoch=20", "--trainer.max_steps=500", "--data.test=null"]
    results: dict[str, Any] = {"seed": seed}
    # Half the steps and a short warm-up for pre-trained weights; random weights use the warm-up of the configuration.
    warm = [
        f"--model.init_from={args.demo}",
        "--model.lr_scheduler.warmup_steps=20",
        "--trainer.max_steps=250",
    ]
    for name, options in {"scratch": [], "russian": warm}.items():
        run = args.work / f"language.{name}.{seed}"
        if not (run / "checkpoints" / "last.ckpt").exists():
            fit(run, *common, *options)
        curve = Run(run, run).metrics()["val/cer/mean"]
        steps = {level: next((step + 1 for step, cer in curve if cer <= level), None) for level in LEVELS}
        results[name] = {"steps_to": steps, "last": curve[-1][1]}
    return results


def test_cers(run: Path) -> dict[str, float]:
    """Return the test CER of the new speaker and the mean over the old ones."""
    domains = json.loads((run / "test_metrics.json").read_text())["domains"]
    return {"new": domains[NEW]["cer"], "old": sum(domains[name]["cer"] for name in OLD) / len(OLD)}


if __name__ == "__main__":
    main()
